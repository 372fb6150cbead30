"""Component track: writes all runs, curves, figures and models to MLflow."""

from kfp.dsl import Artifact, Dataset, Input, Model, Output

from components.base import step_component


@step_component()
def track(
    params: str,
    utterances: Input[Dataset],
    tuned: Input[Artifact],
    trained: Input[Model],
    evaluation: Input[Artifact],
    selected: Input[Model],
    exported: Input[Model],
    tracked: Output[Artifact],
):
    """Mirrors all results in MLflow, none twice; is never cached, since it writes to the store.

    Args:
        params: The sections of params that the step declares, as JSON.
        utterances: The table of utterances.
        tuned: The searches of all systems.
        trained: The trainings of all systems.
        evaluation: Metrics, comparison, figures and the report.
        selected: The ranking, and the refitted system.
        exported: The bundle for the device.
        tracked: The list of runs in the store.
    """
    from speech_emotion.steps.component import run_component

    run_component(
        "track",
        params,
        {
            "utterances": utterances.path,
            "tuned": tuned.path,
            "trained": trained.path,
            "evaluation": evaluation.path,
            "selected": selected.path,
            "exported": exported.path,
        },
        {"tracked": tracked.path},
    )
