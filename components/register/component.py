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
    """Makes the exported system champion or challenger, once; is never taken from a cache.

    Args:
        params: The sections of params that the step declares, as JSON.
        tracked: Which runs the store holds.
        trained: The trainings of all systems.
        exported: The bundle for the device.
        registered: The version, its alias and why.
        decision: The same to read; its metadata name version and alias.
    """
    from speech_emotion.steps.component import run_component

    run_component(
        "register",
        params,
        {"tracked": tracked.path, "trained": trained.path, "exported": exported.path},
        {"registered": registered.path},
        reports={"decision": decision},
    )
