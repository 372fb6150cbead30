"""Component augment: augmented copies for training."""

from kfp.dsl import Dataset, Input, Output

from components.base import step_component


@step_component()
def augment(params: str, waveforms: Input[Dataset], copies: Output[Dataset]):
    """Makes augmented copies of waveforms, as many as the systems of the run need.

    Args:
        params: The sections of params that the step declares, as JSON.
        waveforms: Waveforms of all utterances, or of one part.
        copies: Their augmented copies.
    """
    from speech_emotion.steps.component import run_component

    run_component("augment", params, {"waveforms": waveforms.path}, {"copies": copies.path})
    copies.metadata.update(waveforms.metadata)
