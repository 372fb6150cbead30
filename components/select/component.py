"""Component select: the best system, and the best deployable one."""

from kfp.dsl import Artifact, Dataset, Input, Markdown, Model, Output

from components.base import step_component


@step_component()
def select(
    params: str,
    utterances: Input[Dataset],
    features: Input[Dataset],
    trained: Input[Model],
    evaluation: Input[Artifact],
    selected: Output[Model],
    choice: Output[Markdown],
):
    """Ranks the systems, and refits the best deployable one on all speakers.

    Args:
        params: The sections of params that the step declares, as JSON.
        utterances: The table of utterances.
        features: Feature arrays of all utterances.
        trained: The trainings of all systems.
        evaluation: Metrics of all systems.
        selected: The ranking, and the refitted system.
        choice: The ranking, the deployable systems, and the one that is shipped.
    """
    from speech_emotion.steps.component import run_component

    run_component(
        "select",
        params,
        {
            "utterances": utterances.path,
            "features": features.path,
            "trained": trained.path,
            "evaluation": evaluation.path,
        },
        {"selected": selected.path},
        reports={"choice": choice},
    )
