"""With export.qat, INT8 forms that lose too much are fine-tuned, and check.json and the card report it."""

import json

import numpy as np
import pytest

from made_up_t1 import params_of, qat_params, write_t1
from speech_emotion.errors import UserError
from speech_emotion.export import quantisation_aware_fitting as fitting
from speech_emotion.recorder import Recorder
from speech_emotion.steps import export
from speech_emotion.steps.step import StepParams

FILES = ("fp32.onnx", "int8.onnx", "int8-cpu.onnx")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("t1")
    write_t1(folder, tested=("m1",))
    folders = ("select", "preprocess", "ingest", "train", "features")
    ports = ("selected", "waveforms", "utterances", "trained", "features")
    return {port: folder / name for port, name in zip(ports, folders, strict=True)}


def run(inputs, out, params):
    """Outputs of the step: file -> bytes, check.json, the card."""
    out.mkdir()
    export.run(inputs, StepParams(params, export.STEP.sections), {"exported": out}, Recorder(quiet=True))
    models = {name: (out / name).read_bytes() for name in FILES}
    return models, json.loads((out / "check.json").read_text()), (out / "MODEL_CARD.md").read_text()


@pytest.fixture(scope="module")
def calibrated(inputs, tmp_path_factory):
    """The forms with export.qat off, as in params.yaml."""
    return run(inputs, tmp_path_factory.mktemp("calibrated") / "out", params_of(qat={}))


def test_if_off_no_fold_is_evaluated_and_nothing_is_reported(calibrated):
    _, check, card = calibrated
    assert "qat" not in check and "fine-tuned" not in card


def test_kept_forms_are_of_the_fine_tuned_network_and_fp32_is_as_trained(calibrated, inputs, tmp_path, monkeypatch):
    measure = fitting.qat_fold

    def best(job):
        said, epochs = measure(job)
        if job.tune:  # the fine-tuned model is always right
            ids, targets = job.model.fold.valid, job.model.experiment.classes
            said["inner"] = {form: np.eye(len(job.model.experiment.labels))[targets(ids)] for form in said["inner"]}
        return said, epochs

    monkeypatch.setattr(fitting, "qat_fold", best)
    models, check, card = run(inputs, tmp_path / "out", qat_params(-100))
    assert (check["qat"]["done"], check["qat"]["epochs"]) == ("kept", 1)
    assert list(check["qat"]["test"]) == ["int8", "int8-cpu", "fp32", "qat-int8", "qat-int8-cpu"]
    assert [models[name] == calibrated[0][name] for name in FILES] == [True, False, False]
    assert check["int8"]["layers_in_int8"] == calibrated[1]["int8"]["layers_in_int8"]
    assert check["int8"]["mean_difference"] != calibrated[1]["int8"]["mean_difference"]
    assert "the INT8 files were fine-tuned for 1 epoch with simulated INT8 rounding. UA of the models of 1 fold" in card


def test_missing_fold_models_are_an_error_with_the_cure(inputs, tmp_path):
    kept = inputs["trained"] / "t1/models"
    kept.rename(tmp_path / "models")
    try:
        with pytest.raises(UserError, match=r"export\.qat\.enabled = true: .*m1-0: does not exist.*keep_models: true"):
            run(inputs, tmp_path / "out", qat_params(0.5))
    finally:
        (tmp_path / "models").rename(kept)
    assert not list((tmp_path / "out").iterdir())
