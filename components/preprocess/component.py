"""Component preprocess: waveforms as the systems want them."""

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
    """Utterances as waveforms, once for each recipe that a system of the run needs.

    Args:
        params: The sections of params that the step declares, as JSON.
        data: The corpus as it lies in data/.
        utterances: The table of utterances.
        waveforms: Waveforms of this part of the utterances.
        part: Which part, from 1.
        parts: Of how many.
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
