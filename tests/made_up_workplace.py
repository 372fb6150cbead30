"""A made-up working folder: params, protocol, table and small features of four speakers."""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml

from speech_emotion.corpora.table import Utterance, write_utterances
from speech_emotion.params import Params, load_params
from speech_emotion.store.arrays import ArrayWriter

TOP = Path(__file__).parents[1]
SPEAKERS = ("01", "02", "03", "04")
EMOTIONS = ("anger", "neutral", "sadness")


def make_workplace(tmp_path: Path) -> Callable[..., Params]:
    """Makes the folder at `tmp_path`, which becomes the steps' working folder.

    Returns:
        A function that writes params.yaml with changes, `section__key=value`, and loads it.
    """
    raw = yaml.safe_load((TOP / "params.yaml").read_text())
    raw |= {"corpus": "demo", "candidates": ["k2", "t2"], "workers": 1}
    raw["budgets"]["demo"] = {"protocol": "small", "candidates": ["k2", "t2"], "seeds": [0, 1], "max_epochs": 2}
    raw["systems"]["k2"] |= {"units": 4, "layers": 1, "batch_size": 16}
    raw["tune"]["trials"] = 3
    protocol = {
        "title": "small",
        "corpora": ["demo"],
        "speaker_independent": True,
        "labels": {emotion: emotion for emotion in EMOTIONS},
        "folds": {"each": "speaker"},
        "inner": "next",
    }
    (tmp_path / "protocols").mkdir()
    (tmp_path / "protocols" / "small.yaml").write_text(yaml.safe_dump(protocol))
    ids = [f"demo/{s}-{e}-{n}" for s in SPEAKERS for e in EMOTIONS for n in range(2)]
    write_utterances(
        tmp_path / "artifacts/ingest/utterances.parquet",
        [
            Utterance(
                id,
                "demo",
                f"{id}.wav",
                id[5:7],
                "female",
                id.split("-")[1],
                None,
                None,
                None,
                0.0,
                1.0,
                1.0,
                16000,
                1,
                "0",
                "x",
            )
            for id in ids
        ],
    )
    for name, shape in (("mspec-40-dd/plain-4240", (30, 120)), ("statistics/plain", (20,))):
        with ArrayWriter(tmp_path / "artifacts/features" / name) as writer:
            for id in ids:
                rng = np.random.default_rng(list(id.encode()))
                writer.add(id, rng.normal(size=shape) + EMOTIONS.index(id.split("-")[1]))

    def params(**changes):
        changed = copy.deepcopy(raw)
        for key, value in changes.items():
            section, _, name = key.partition("__")
            changed[section] = {**changed[section], name: value} if name else value
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed))
        return load_params(tmp_path / "params.yaml")

    return params
