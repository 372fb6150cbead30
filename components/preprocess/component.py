"""Component preprocess: waveforms as the systems need them."""

from kfp.dsl import Dataset, Input, Output

from components.base import step_component


@step_component()
def preprocess(
    params: str,
    data: Input[Dataset],
    utterances: Input[Dataset],
    waveforms: Output[Dataset],
    part: int = 1,
    parts: int = 1,
):
    """Makes the waveforms of utterances, once for each preprocessing recipe of the run's systems.

    Args:
        params: The sections of params that the step declares, as JSON.
        data: The corpus as in data/.
        utterances: The table of utterances.
        waveforms: Waveforms of this part of the utterances.
        part: Number of the part, from 1.
        parts: Number of parts.
    """
    from speech_emotion.steps.component import run_component

    run_component(
        "preprocess",
        params,
        {"data": data.path, "utterances": utterances.path},
        {"waveforms": waveforms.path},
        part=(part, parts),
    )
    waveforms.metadata["part"] = part
