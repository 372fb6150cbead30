"""Component augment: altered copies for training."""

from kfp.dsl import Dataset, Input, Output

from components.base import step_component


@step_component()
def augment(params: str, waveforms: Input[Dataset], copies: Output[Dataset]):
    """Changed copies of waveforms, as many as the systems of the run ask for.

    Args:
        params: The sections of params that the step declares, as JSON.
        waveforms: Waveforms of a part of the utterances, or of all.
        copies: Copies of these.
    """
    from speech_emotion.steps.component import run_component

    run_component("augment", params, {"waveforms": waveforms.path}, {"copies": copies.path})
    copies.metadata.update(waveforms.metadata)
