"""Component release_record: notes what was released."""

from kfp.dsl import Input, Model

from components.base import step_component


@step_component()
def release_record(params: str, champion: str, bundle: Input[Model]):
    """Sets the alias `released` of the registered model; is never taken from a cache.

    Args:
        params: The sections track and registry of params as JSON.
        champion: VERSION:DIGEST, as the gate gives it.
        bundle: What was released.
    """
    from speech_emotion.steps.releasing import note

    note(params, champion)
