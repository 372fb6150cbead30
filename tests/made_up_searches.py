"""Searches on made-up speakers, and functions that judge their trials and that worker processes can import."""

import math
import os
import signal
from pathlib import Path

import numpy as np

from made_up_systems import PARAMS as SYSTEMS
from orphans import works_for_ever
from speech_emotion.corpora.splits import Fold
from speech_emotion.errors import UserError
from speech_emotion.params import Feature, Needs, Recipe, Tune
from speech_emotion.search.objective import splits_of
from speech_emotion.search.study import SearchJob
from speech_emotion.store.arrays import ArrayWriter
from speech_emotion.systems.catalogue import system_config
from speech_emotion.training.fitting import Experiment
from speech_emotion.training.job import Job

SPEAKERS = ("a", "b", "c", "d", "e")
CONFIGS = {id: system_config(SYSTEMS.systems, id) for id in ("t2", "k2")}
IDS = [f"{speaker}{n}" for speaker in SPEAKERS for n in range(6)]
PARAMS = Tune(
    enabled=True,
    trials=6,
    seed=0,
    storage="sqlite",
    batch=3,
    random_trials=3,
    epochs=3,
    prune_after=2,
    prune_after_epochs=2,
    prune_after_splits=2,
    prune_p=0.4,
)


def folds() -> list[Fold]:
    """Leave-one-speaker-out folds, with the next speaker for validation."""
    made = []
    for number, speaker in enumerate(SPEAKERS):
        other = SPEAKERS[(number + 1) % len(SPEAKERS)]
        parts = [[id for id in IDS if id[0] not in (speaker, other)]]
        parts += [[id for id in IDS if id[0] == one] for one in (other, speaker)]
        made.append(Fold(speaker, *map(tuple, parts)))
    return made


def searches(folder: Path, url: str, system: str = "t2", count: int = 2, **params) -> list[SearchJob]:
    """Searches on the first folds. The test utterances have no features.

    Args:
        folder: folder of the features and of finished fold runs.
        url: address of the storage.
        system: t2 or k2.
        count: number of folds.
        params: settings that differ from PARAMS.
    """
    feature, shape = {"t2": ("statistics", (6,)), "k2": ("mspec-40-dd", (30, 6))}[system]
    jobs = []
    for fold in folds()[:count]:
        features = folder / f"features-{system}-{fold.name}"
        if not features.exists():
            with ArrayWriter(features / feature / "plain") as writer:
                for id in [*fold.train, *fold.valid]:
                    draw = np.random.default_rng(list(id.encode()))
                    writer.add(id, draw.normal(size=shape) + 1.5 * (IDS.index(id) % 3))
        experiment = Experiment(
            corpus="demo",
            protocol="demo-speakers",
            config=CONFIGS[system],
            needs=Needs(recipe="plain", copies=0, min_seconds=0, features=[feature]),
            recipe=Recipe(level="none", denoise="none", vad=False),
            definitions={feature: Feature(kind="statistics", of=["energy"])},
            features=features,
            sample_rate=16000,
            labels=("anger", "neutral", "sadness"),
            targets={id: n % 3 for n, id in enumerate(IDS) if id not in fold.test},
            max_epochs=3,
            patience=3,
        )
        hyperparameters = {
            "t2": {"C": 0.02, "kernel": "linear", "class_weight": "balanced"},
            "k2": {
                "epochs": 3,
                "batch_size": 8,
                "learning_rate": 1e-3,
                "dropout": 0.2,
                "l2": 1e-4,
                "units": 64,
                "layers": 1,
                "window_frames": 25,
                "hop_frames": 5,
            },
        }[system]
        unit = Job(experiment, fold, 0, hyperparameters, "k" * 64, folder)
        jobs.append(SearchJob(unit, splits_of(CONFIGS[system], fold, folds()), PARAMS.model_copy(update=params), url))
    return jobs


def smooth(job: Job, splits, suggested, report) -> float:
    """A UA with its maximum at C = 0.1, reported in four rising steps."""
    value = 1 / (1 + (math.log10(suggested["C"]) + 1) ** 2)
    for step in range(4):
        report(step, value * (step + 1) / 4)
    return value


def kills_once(job: Job, splits, suggested, report) -> float:
    """The first trial of each study kills its own process, as if memory ran out."""
    report(0, 0.5)
    if _first(job, suggested):
        os.kill(os.getpid(), signal.SIGKILL)
    return smooth_from_one(suggested, report)


def kills_always(job: Job, splits, suggested, report) -> float:
    """The hyper-parameters of each study's first trial kill every process that tries them."""
    report(0, 0.5)
    if _first(job, suggested) or float(_mark(job).read_text()) == suggested["C"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return smooth_from_one(suggested, report)


def undisturbed(job: Job, splits, suggested, report) -> float:
    """Like kills_once, but without the kill."""
    report(0, 0.5)
    return smooth_from_one(suggested, report)


def smooth_from_one(suggested, report) -> float:
    value = 1 / (1 + (math.log10(suggested["C"]) + 1) ** 2)
    report(1, value)
    return value


def works_on(job: Job, splits, suggested, report) -> float:
    """Never ends."""
    works_for_ever(str(job.units))


def untrainable(job: Job, splits, suggested, report) -> float:
    """A radial kernel makes the loss overflow."""
    if suggested["kernel"] == "rbf":
        raise UserError("epoch 1: loss = nan: lower the learning rate")
    return smooth(job, splits, suggested, report)


def _first(job: Job, suggested) -> bool:
    own = _mark(job).with_suffix(f".{os.getpid()}")
    own.write_text(repr(suggested["C"]))
    try:
        os.link(own, _mark(job))  # atomic, with its content
    except FileExistsError:
        return False
    return True


def _mark(job: Job) -> Path:
    return job.units / f"killed-{job.fold.name}"
