"""A small T1 with the outputs of the steps before export: random weights, and noise as speech."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from made_up_results import LABELS, predictions, utterances, write_system
from made_up_systems import make_system
from speech_emotion.corpora.table import write_utterances
from speech_emotion.evaluation.results import read_result
from speech_emotion.evaluation.scoring import score
from speech_emotion.features.extraction import compute
from speech_emotion.params import Params, load_params
from speech_emotion.store.arrays import ArrayWriter
from speech_emotion.systems.catalogue import front_end_dims, save_system

SPEAKERS = ("f1", "m1", "f2")
TUNING = {"epochs": 1, "learning_rate": 0.5}


def params_of(**sections: Mapping[str, object]) -> Params:
    """The project's params for this corpus, with these values in section export, and little work elsewhere."""
    one = load_params()
    parts = {
        name: getattr(one.export, name).model_copy(update=TUNING | dict(values)) for name, values in sections.items()
    }
    exported = one.export.model_copy(update={**parts, "calibration_windows": 8})
    return one.model_copy(update={"corpus": "emodb", "export": exported, "workers": 1})


def pruning_params() -> Params:
    """Prunes half of the filters."""
    return params_of(prune={"share": 0.5})


def qat_params(when_loss: float) -> Params:
    """Fine-tunes INT8 forms that lose more than `when_loss` points."""
    return params_of(qat={"enabled": True, "when_loss": when_loss})


def write_t1(folder: Path, tested: tuple[str, ...] = SPEAKERS) -> None:
    """Writes the outputs of ingest, preprocess, features, train (t1) and select.

    Args:
        folder: folder of the artifacts.
        tested: speakers whose folds have models and predictions.
    """
    params, draws, rows = load_params(), np.random.default_rng(0), utterances(speakers=SPEAKERS, each=1)
    write_utterances(folder / "ingest" / "utterances.parquet", rows)
    needs, features = params.needs["t1"], {name: params.features[name] for name in params.needs["t1"].features}
    waveforms = {row.id: (0.05 * draws.standard_normal(49600)).astype(np.float32) for row in rows}
    with ArrayWriter(folder / "preprocess" / "plain") as writer:
        for id, waveform in waveforms.items():
            writer.add(id, waveform)
    for name in needs.features:
        with ArrayWriter(folder / "features" / name / needs.variant(params.features[name], 16000)) as writer:
            for id, waveform in waveforms.items():
                writer.add(id, compute(name, waveform, params.features, 16000))
    torch.manual_seed(0)
    recipe = params.preprocess.recipes["plain"]
    system = make_system("t1", recipe, features, front_end_dims(features, 16000), 16000, LABELS, units=8)
    trained = folder / "train" / "t1"
    write_system(trained, predictions([row for row in rows if row.speaker in tested], "t1"))
    for place in (folder / "select" / "model", *(trained / "models" / f"{one}-0" for one in tested)):
        save_system(system, place)
    figures = score(read_result(trained, "t1"), pd.Series({row.id: row.sex for row in rows}), params.evaluate)
    refit = {"epochs": 3, "hyperparameters": {}, "agreeing": len(tested), "folds": len(tested)}
    chosen = {"figures": figures, "temperature": 1.25, "calibration": {"ece_after": 0.05}, "refit": refit}
    (folder / "select" / "best.json").write_text(json.dumps(chosen))
