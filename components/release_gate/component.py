"""Component release_gate: decides whether there is anything to release."""

from components.base import step_component


@step_component()
def release_gate(params: str) -> str:
    """Compares the champion with the version released last; is never cached.

    Args:
        params: The sections track and registry of params as JSON.

    Returns:
        The champion as VERSION:DIGEST; empty if it is the version released last.
    """
    from speech_emotion.steps.releasing import gate

    return gate(params)
