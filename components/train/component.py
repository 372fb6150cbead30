"""Component train: every fold and seed of one system."""

from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components.base import step_component


@step_component()
def train(
    params: str,
    system: str,
    utterances: Input[Dataset],
    features: Input[Dataset],
    best: Input[Artifact],
    trained: Output[Model],
    metrics: Output[Metrics],
):
    """Trains one system under the protocol; finished trainings are reused.

    Args:
        params: The sections of params that the step declares, as JSON.
        system: Name of the system.
        utterances: The table of utterances.
        features: Feature arrays of all utterances.
        best: Hyper-parameters that the search found for each fold.
        trained: Predictions for held-out speakers, learning curves, and the folds' models.
        metrics: Mean UA over folds and seeds, their number, and the size of the system.
    """
    from speech_emotion.steps.component import run_component

    run_component(
        "train",
        params,
        {"utterances": utterances.path, "features": features.path, "best": best.path},
        {"trained": trained.path},
        system=system,
        reports={"metrics": metrics},
    )
    trained.metadata["system"] = system
