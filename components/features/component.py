"""Component features: feature arrays of utterances and their copies."""

from kfp.dsl import Dataset, Input, Output

from components.base import step_component


@step_component()
def features(params: str, waveforms: Input[Dataset], copies: Input[Dataset], features: Output[Dataset]):
    """Computes all features that the systems of the run need, from waveforms and their copies.

    Args:
        params: The sections of params that the step declares, as JSON.
        waveforms: Waveforms of all utterances, or of one part.
        copies: Augmented copies of the same utterances.
        features: Feature arrays of the same utterances.
    """
    from speech_emotion.steps.component import run_component

    run_component("features", params, {"waveforms": waveforms.path, "copies": copies.path}, {"features": features.path})
    features.metadata.update(waveforms.metadata)
