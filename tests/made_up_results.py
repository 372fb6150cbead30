"""Made-up results of training in the format of the train step, for tests of later steps."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from speech_emotion.corpora.table import Utterance, write_utterances
from speech_emotion.randomness import generator

LABELS = ("anger", "happiness", "neutral", "sadness")
SPEAKERS = ("f1", "m1", "f2", "m2", "f3", "m3")


def utterances(
    corpus: str = "emodb",
    labels: Sequence[str] = LABELS,
    speakers: Sequence[str] = SPEAKERS,
    each: int = 5,
    licence: str = "CC0-1.0",
) -> list[Utterance]:
    """`each` utterances of every speaker with every emotion, except that the first speaker lacks the last emotion."""
    rows = []
    for speaker in speakers:
        for label in labels:
            if speaker == speakers[0] and label == labels[-1]:
                continue
            for take in range(each):
                path = f"{speaker}/{label}-{take}.wav"
                rows.append(
                    Utterance(
                        id=f"{corpus}/{path.removesuffix('.wav')}",
                        corpus=corpus,
                        path=path,
                        speaker=speaker,
                        sex={"f": "female", "m": "male"}.get(speaker[0]),
                        emotion=label,
                        intensity=None,
                        text=None,
                        session=None,
                        start=0.0,
                        end=2.0,
                        duration=2.0,
                        sample_rate=16000,
                        channels=1,
                        sha256="0" * 64,
                        licence=licence,
                    )
                )
    return rows


def predictions(
    rows: Sequence[Utterance],
    system: str,
    skill: float = 0.6,
    seeds: Sequence[int] = (0,),
    protocol: str = "emodb-loso",
    labels: Sequence[str] = LABELS,
) -> pd.DataFrame:
    """Leave one speaker out; the true emotion is predicted with about probability `skill`."""
    table = []
    for seed in seeds:
        for row in rows:
            random = generator(seed, system, row.id)
            logits = random.normal(size=len(labels))
            if random.random() < skill:
                logits[list(labels).index(row.emotion)] += 3
            shares = np.exp(logits) / np.exp(logits).sum()
            one = {
                "corpus": row.corpus,
                "protocol": protocol,
                "system": system,
                "fold": row.speaker,
                "seed": seed,
                "id": row.id,
                "speaker": row.speaker,
                "emotion": row.emotion,
                "predicted": labels[int(shares.argmax())],
            }
            table.append(one | {f"p_{label}": share for label, share in zip(labels, shares, strict=True)})
    return pd.DataFrame(table)


def curves(table: pd.DataFrame, system: str, epochs: int = 30) -> pd.DataFrame:
    """A falling loss and a rising UA for every fold and seed; fold runs end at different epochs."""
    rows = []
    for fold, seed in sorted(set(zip(table["fold"], table["seed"], strict=True))):
        random = generator(seed, system, fold, "curves")
        for epoch in range(1, int(random.integers(epochs // 2, epochs)) + 1):
            wobble = random.normal(scale=0.03, size=3)
            rows.append(
                {
                    "system": system,
                    "fold": fold,
                    "seed": seed,
                    "epoch": epoch,
                    "loss": 1.4 * np.exp(-epoch / 9) + 0.1 + wobble[0] / 2,
                    "valid_loss": 0.6 + 0.8 * np.exp(-epoch / 6) + 0.012 * epoch + wobble[1],
                    "valid_ua": 0.3 + 0.4 * (1 - np.exp(-epoch / 7)) + wobble[2],
                }
            )
    return pd.DataFrame(rows, columns=["system", "fold", "seed", "epoch", "loss", "valid_loss", "valid_ua"])


def units(table: pd.DataFrame, **changed: Any) -> dict[str, Any]:
    """The contents of a system's units.json, for these predictions."""
    first = table.iloc[0]
    facts = {
        "corpus": first["corpus"],
        "protocol": first["protocol"],
        "speaker_independent": True,
        "labels": [column[2:] for column in table.columns if column.startswith("p_")],
        "system": first["system"],
        "title": f"{first['system'].upper()} made up",
        "paper": "made-up",
        "not_deployable": "",
        "parameters": 12345,
        "hyperparameters": {},
        "seeds": sorted(int(seed) for seed in set(table["seed"])),
        "folds": int(table["fold"].nunique()),
        "units": {},
    }
    return facts | changed


def write_system(folder: Path, table: pd.DataFrame, epochs: int = 30, **changed: Any) -> None:
    """Writes predictions.parquet, curves.csv and units.json; `epochs` 0 stands for a system without epochs."""
    folder.mkdir(parents=True, exist_ok=True)
    table.to_parquet(folder / "predictions.parquet")
    system = str(table["system"].iloc[0])
    rows = curves(table, system, epochs) if epochs else curves(table.iloc[:0], system)
    rows.to_csv(folder / "curves.csv", index=False)
    (folder / "units.json").write_text(json.dumps(units(table, **changed)))


def write_table(folder: Path, rows: Sequence[Utterance]) -> None:
    """Writes utterances.parquet."""
    write_utterances(folder / "utterances.parquet", rows)
