"""A small T1 in an experiment with four speakers whose speech is noise, and stores that forbid some utterances."""

from pathlib import Path

import numpy as np

from made_up_results import LABELS, utterances
from made_up_systems import hyperparameters
from speech_emotion.corpora.splits import Fold
from speech_emotion.features.extraction import compute
from speech_emotion.params import load_params
from speech_emotion.store.arrays import ArrayStore, ArrayWriter
from speech_emotion.systems.catalogue import system_config
from speech_emotion.systems.network import NetworkSystem
from speech_emotion.training.fitting import Experiment, fit_system

PARAMS = load_params()
SMALL = hyperparameters("t1", units=8, batch_size=8)


def write_experiment(folder: Path) -> Experiment:
    """Writes `folder`/preprocess and `folder`/features, and returns the experiment."""
    draws = np.random.default_rng(0)
    rows = utterances(speakers=("f1", "m1", "f2", "m2"), each=1)
    needs = PARAMS.needs["t1"]
    waveforms = {row.id: (np.cumsum(draws.standard_normal(49600)) * 1e-3).astype(np.float32) for row in rows}
    with ArrayWriter(folder / "preprocess" / "plain") as writer:
        for id, waveform in waveforms.items():
            writer.add(id, waveform)
    for name in needs.features:
        with ArrayWriter(folder / "features" / name / needs.variant(PARAMS.features[name], 16000)) as writer:
            for id, waveform in waveforms.items():
                writer.add(id, compute(name, waveform, PARAMS.features, 16000))
    return Experiment(
        corpus="emodb",
        protocol="emodb-loso",
        config=system_config(PARAMS.systems, "t1"),
        needs=needs,
        recipe=PARAMS.preprocess.recipes["plain"],
        definitions={name: PARAMS.features[name] for name in needs.features},
        features=folder / "features",
        sample_rate=16000,
        labels=LABELS,
        targets={row.id: LABELS.index(row.emotion) for row in rows},
        max_epochs=2,
        patience=2,
    )


def fold_of(experiment: Experiment) -> Fold:
    """A fold with f2 and m2 for training, f1 for validation and m1 for test."""

    def of(*speakers: str) -> tuple[str, ...]:
        return tuple(sorted(id for id in experiment.targets if id.split("/")[1] in speakers))

    return Fold("m1", train=of("f2", "m2"), valid=of("f1"), test=of("m1"))


def trained_on(experiment: Experiment, fold: Fold) -> NetworkSystem:
    stores = experiment.stores()
    system = experiment.create(SMALL, stores)
    fit_system(system, experiment, stores, fold.train, fold.valid, seed=1)
    return system


class Guarded(ArrayStore):
    """A store of features in which reading some utterances fails."""

    forbidden: frozenset[str] = frozenset()

    def __getitem__(self, id: str) -> np.ndarray:
        assert id not in self.forbidden, f"{id} was looked at"
        return super().__getitem__(id)


def guarded(experiment: Experiment, ids: tuple[str, ...]) -> dict[str, ArrayStore]:
    """The experiment's stores; reading these utterances fails."""
    stores = {name: Guarded(store.folder) for name, store in experiment.stores().items()}
    for store in stores.values():
        store.forbidden = frozenset(ids)
    return stores
