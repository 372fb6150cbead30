"""Component release_gate: whether there is anything to release."""

from components.base import step_component


@step_component()
def release_gate(params: str) -> str:
    """Compares the champion with what was released last; is never taken from a cache.

    Args:
        params: The sections track and registry of params as JSON.

    Returns:
        The champion as VERSION:DIGEST, or nothing where it is what was released last.
    """
    from speech_emotion.steps.releasing import gate

    return gate(params)
