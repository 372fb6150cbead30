"""Component release_record: notes what was released."""

from kfp.dsl import Input, Markdown, Model, Output

from components.base import step_component


@step_component()
def release_record(params: str, champion: str, bundle: Input[Model], released: Output[Markdown]):
    """Sets the alias `released` of the registered model; is never taken from a cache.

    Args:
        params: The sections track and registry of params as JSON.
        champion: VERSION:DIGEST, as the gate gives it.
        bundle: What was released.
        released: The version that is released now, and the one before; its metadata name version and hash.
    """
    from speech_emotion.steps.releasing import note

    note(params, champion, {"released": released})
