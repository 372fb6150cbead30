"""Component export: the selected system in the form for the device."""

from kfp.dsl import Dataset, Input, Markdown, Metrics, Model, Output

from components.base import step_component


@step_component()
def export(
    params: str,
    selected: Input[Model],
    waveforms: Input[Dataset],
    utterances: Input[Dataset],
    trained: Input[Model],
    features: Input[Dataset],
    exported: Output[Model],
    metrics: Output[Metrics],
    card: Output[Markdown],
):
    """Exports ONNX in FP32 and INT8, from waveform to probabilities, and checks it against the trained model.

    Args:
        params: The sections of params that the step declares, as JSON.
        selected: The refitted system.
        waveforms: Waveforms of all utterances.
        utterances: The table of utterances.
        trained: The trainings of all systems.
        features: Feature arrays, for fine-tuning of the pruned and INT8 forms.
        exported: The bundle for the device.
        metrics: Agreement of both forms with the trained model, and their sizes.
        card: The model card.
    """
    from speech_emotion.steps.component import run_component

    run_component(
        "export",
        params,
        {
            "selected": selected.path,
            "waveforms": waveforms.path,
            "utterances": utterances.path,
            "trained": trained.path,
            "features": features.path,
        },
        {"exported": exported.path},
        reports={"metrics": metrics, "card": card},
    )
