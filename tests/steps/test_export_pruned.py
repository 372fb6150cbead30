"""With export.prune, forms with filters removed are exported, checked and reported in addition."""

import json

import pytest

from made_up_t1 import pruning_params, write_t1
from speech_emotion.errors import UserError
from speech_emotion.export.device import make_device_bundle
from speech_emotion.params import load_params
from speech_emotion.recorder import Recorder
from speech_emotion.steps import export
from speech_emotion.steps.step import StepParams
from speech_emotion.store.hashing import sha256_file

WHOLE = {"fp32.onnx", "int8.onnx", "int8-cpu.onnx"}


@pytest.fixture
def inputs(tmp_path):
    write_t1(tmp_path)
    folders = ("select", "preprocess", "ingest", "train", "features")
    ports = ("selected", "waveforms", "utterances", "trained", "features")
    return {port: tmp_path / folder for port, folder in zip(ports, folders, strict=True)}


def run(inputs, out):
    out.mkdir()
    params = StepParams(pruning_params(), export.STEP.sections)
    export.run(inputs, params, {"exported": out}, Recorder(quiet=True))


def test_pruned_forms_are_added_to_export_card_and_bundle(inputs, tmp_path):
    out = tmp_path / "out"
    run(inputs, out)
    assert {path.name for path in out.glob("*.onnx")} == WHOLE | {f"pruned-{name}" for name in WHOLE}
    check, bundle = (json.loads((out / name).read_text()) for name in ("check.json", "bundle.json"))
    assert check["pruned-fp32"]["max_difference"] <= load_params().export.tolerance
    assert check["pruned-int8"]["layers_in_int8"] == check["int8"]["layers_in_int8"] > 0
    facts = check["pruned"]
    assert (facts["share"], facts["epochs"], facts["folds"], facts["seed"]) == (0.5, 1, 3, 0)
    assert facts["parameters"] < 0.6 * bundle["parameters"]
    for name in WHOLE:
        assert (out / f"pruned-{name}").stat().st_size < (out / name).stat().st_size
        assert bundle["sha256"][f"pruned-{name}"] == sha256_file(out / f"pruned-{name}")
    card = (out / "MODEL_CARD.md").read_text()
    assert "The files `pruned-*` lack 50 % of each layer's filters" in card
    assert (
        f"UA of the models of 3 folds: pruned in this way {facts['tuned']['ua']:.1f} %, "
        f"not pruned {facts['whole']['ua']:.1f} %" in card
    )
    made = make_device_bundle(out, tmp_path / "device")
    variants = json.loads((made / "bundle.json").read_text())["variants"]
    assert list(variants)[-5:] == ["pruned-fp32", "pruned-fp16", "pruned-int8-trt", "int8-cpu", "pruned-int8-cpu"]
    assert variants["pruned-fp16"]["engine_only"] and not variants["pruned-fp32"]["engine_only"]
    assert (made / "models/pruned-int8-trt.flags").read_text().startswith("--onnx=models/pruned-int8-trt.onnx\n")


def test_missing_fold_models_are_an_error_with_the_cure(inputs, tmp_path):
    (inputs["trained"] / "t1/models/m1-0/system.json").unlink()
    with pytest.raises(
        UserError, match=r"export\.prune\.share = 0\.5: .*m1-0: does not exist.*train\.keep_models: true"
    ):
        run(inputs, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
