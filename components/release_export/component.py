"""Component release_export: the champion's files, checked."""

from kfp.dsl import Markdown, Metrics, Model, Output

from components.base import step_component


@step_component()
def release_export(
    params: str,
    champion: str,
    bundle: Output[Model],
    device: Output[Model],
    metrics: Output[Metrics],
    card: Output[Markdown],
):
    """Fetches the champion from the registry; refuses files that are faulty or differ from those that the gate saw.

    Args:
        params: The sections track and registry of params as JSON.
        champion: VERSION:DIGEST, the output of the gate.
        bundle: The output of the step export for the device.
        device: The archive that a device runs; it is registered too.
        metrics: Sizes of both forms, and how often they agree on noise.
        card: The model card.
    """
    from speech_emotion.steps.releasing import export

    export(params, champion, bundle.path, device.path, {"metrics": metrics, "card": card})
    for made in (bundle, device):
        made.metadata.update(zip(("version", "digest"), champion.split(":"), strict=True))
