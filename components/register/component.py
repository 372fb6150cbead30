"""Component register: the exported system as a version of the registered model."""

from kfp.dsl import Artifact, Input, Model

from components.base import step_component


@step_component()
def register(params: str, tracked: Input[Artifact], trained: Input[Model], exported: Input[Model]):
    """Makes the exported system champion or challenger, once; is never taken from a cache.

    Args:
        params: The sections of params that the step declares, as JSON.
        tracked: Which runs the store holds.
        trained: The trainings of all systems.
        exported: The bundle for the device.
    """
    from speech_emotion.steps.component import run_component

    run_component(
        "register",
        params,
        {"tracked": tracked.path, "trained": trained.path, "exported": exported.path},
        {},
    )
