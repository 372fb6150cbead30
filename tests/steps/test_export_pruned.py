"""With export.prune, forms with filters removed are exported, checked and told of beside the whole ones."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from made_up_results import LABELS, predictions, utterances, write_system
from speech_emotion.corpora.table import write_utterances
from speech_emotion.errors import UserError
from speech_emotion.evaluation.results import read_result
from speech_emotion.evaluation.scoring import score
from speech_emotion.export.device import make_device_bundle
from speech_emotion.features.extraction import compute
from speech_emotion.params import load_params
from speech_emotion.recorder import Recorder
from speech_emotion.steps import export
from speech_emotion.steps.step import StepParams
from speech_emotion.store.arrays import ArrayWriter
from speech_emotion.store.hashing import sha256_file
from speech_emotion.systems.catalogue import create_system, front_end_dims, save_system

PRUNE = {"share": 0.5, "epochs": 1, "learning_rate": 0.5}
SPEAKERS = ("f1", "m1", "f2")
WHOLE = {"fp32.onnx", "int8.onnx", "int8-cpu.onnx"}


def params(**changed):
    one = load_params()
    prune = one.export.prune.model_copy(update=PRUNE | changed)
    exported = one.export.model_copy(update={"prune": prune, "calibration_windows": 8})
    one = one.model_copy(update={"corpus": "emodb", "export": exported, "workers": 1})
    return StepParams(one, export.STEP.sections)


@pytest.fixture
def inputs(tmp_path):
    """T1 with weights as torch draws them, as shipped and as every fold's model; noise for speech."""
    values, draws, rows = load_params(), np.random.default_rng(0), utterances(speakers=SPEAKERS, each=1)
    write_utterances(tmp_path / "ingest" / "utterances.parquet", rows)
    needs, features = values.needs["t1"], {name: values.features[name] for name in values.needs["t1"].features}
    heard = {row.id: (0.05 * draws.standard_normal(49600)).astype(np.float32) for row in rows}
    with ArrayWriter(tmp_path / "preprocess" / "plain") as writer:
        for id, waveform in heard.items():
            writer.add(id, waveform)
    for name in needs.features:
        with ArrayWriter(tmp_path / "features" / "plain" / name) as writer:
            for id, waveform in heard.items():
                writer.add(id, compute(name, waveform, values.features, 16000))
    torch.manual_seed(0)
    recipe, small = values.preprocess.recipes["plain"], {**values.systems["t1"], "units": 8}
    system = create_system("t1", small, recipe, features, front_end_dims(features, 16000), 16000, LABELS)
    write_system(tmp_path / "train" / "t1", predictions(rows, "t1"))
    for folder in (tmp_path / "select" / "model", *(tmp_path / f"train/t1/models/{one}-0" for one in SPEAKERS)):
        save_system(system, folder)
    figures = score(
        read_result(tmp_path / "train" / "t1", "t1"), pd.Series({row.id: row.sex for row in rows}), values.evaluate
    )
    refit = {"epochs": 3, "hyperparameters": {}, "agreeing": 3, "folds": 3}
    chosen = {"figures": figures, "temperature": 1.25, "calibration": {"ece_after": 0.05}, "refit": refit}
    (tmp_path / "select" / "best.json").write_text(json.dumps(chosen))
    folders = ("select", "preprocess", "ingest", "train", "features")
    ports = ("selected", "waveforms", "utterances", "trained", "features")
    return {port: tmp_path / folder for port, folder in zip(ports, folders, strict=True)}


def test_pruned_forms_stand_beside_the_whole_ones_in_export_card_and_bundle(inputs, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    export.run(inputs, params(), {"exported": out}, Recorder(quiet=True))
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
    assert "The forms named pruned- lack 50 % of each layer's filters" in card
    assert (
        f"UA of the 3 folds' models so treated: {facts['tuned']['ua']:.1f} %, whole {facts['whole']['ua']:.1f} %"
        in card
    )
    made = make_device_bundle(out, tmp_path / "device")
    variants = json.loads((made / "bundle.json").read_text())["variants"]
    assert list(variants)[-5:] == ["pruned-fp32", "pruned-fp16", "pruned-int8-trt", "int8-cpu", "pruned-int8-cpu"]
    assert variants["pruned-fp16"]["engine_only"] and not variants["pruned-fp32"]["engine_only"]
    assert (made / "models/pruned-int8-trt.flags").read_text().startswith("--onnx=models/pruned-int8-trt.onnx\n")


def test_fold_models_that_were_not_kept_are_told_with_the_cure(inputs, tmp_path):
    (inputs["trained"] / "t1/models/m1-0/system.json").unlink()
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match=r"export\.prune\.share = 0\.5: .*m1-0: is not there.*train\.keep_models: true"):
        export.run(inputs, params(), {"exported": tmp_path / "out"}, Recorder(quiet=True))
    assert not list((tmp_path / "out").iterdir())
