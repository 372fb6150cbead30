"""Component release_record: records the release."""

from kfp.dsl import Input, Markdown, Model, Output

from components.base import step_component


@step_component()
def release_record(params: str, champion: str, bundle: Input[Model], released: Output[Markdown]):
    """Sets the alias `released` of the registered model; is never cached.

    Args:
        params: The sections track and registry of params as JSON.
        champion: VERSION:DIGEST, the output of the gate.
        bundle: The released files.
        released: The released version and the one before; its metadata contain version and hash.
    """
    from speech_emotion.steps.releasing import note

    note(params, champion, {"released": released})
