"""Component features: feature arrays of utterances and copies."""

from kfp.dsl import Dataset, Input, Output

from components.base import step_component


@step_component()
def features(params: str, waveforms: Input[Dataset], copies: Input[Dataset], features: Output[Dataset]):
    """Every feature that a system of the run asks for, of waveforms and of their copies.

    Args:
        params: The sections of params that the step declares, as JSON.
        waveforms: Waveforms of a part of the utterances, or of all.
        copies: Copies of the same part.
        features: Feature arrays of the same part.
    """
    from speech_emotion.steps.component import run_component

    run_component("features", params, {"waveforms": waveforms.path, "copies": copies.path}, {"features": features.path})
    features.metadata.update(waveforms.metadata)
