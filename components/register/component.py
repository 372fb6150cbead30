"""Component register: the exported system as a version of the registered model."""

from kfp.dsl import Artifact, Input, Markdown, Model, Output

from components.base import step_component


@step_component()
def register(
    params: str,
    tracked: Input[Artifact],
    trained: Input[Model],
    exported: Input[Model],
    registered: Output[Artifact],
    decision: Output[Markdown],
):
    """Registers the exported system once, as champion or challenger; is never cached.

    Args:
        params: The sections of params that the step declares, as JSON.
        tracked: The list of runs in the store.
        trained: The trainings of all systems.
        exported: The bundle for the device.
        registered: The version, its alias and the reason.
        decision: The same as text; its metadata contain version and alias.
    """
    from speech_emotion.steps.component import run_component

    run_component(
        "register",
        params,
        {"tracked": tracked.path, "trained": trained.path, "exported": exported.path},
        {"registered": registered.path},
        reports={"decision": decision},
    )
