"""Short trainings with the systems of params.yaml give the committed probabilities."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from golden.golden import check
from speech_emotion.learning import loop
from speech_emotion.params import load_params
from speech_emotion.store.arrays import ArrayWriter
from speech_emotion.systems.catalogue import hyperparameters_of, system_class, system_config
from speech_emotion.training import keys
from speech_emotion.training.fitting import Experiment, fit_system, predict, refit, training_seed

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
LABELS = ("anger", "neutral", "sadness")


@dataclass(frozen=True)
class Case:
    """One training.

    Attributes:
        system: id of the system.
        changed: hyper-parameters that differ from params.yaml.
        epochs: largest number of epochs.
        patience: epochs without improvement before training stops.
        copies: augmented copies of each training utterance.
        ships: fitted on all utterances without validation, as for shipping.
    """

    system: str
    changed: dict[str, Any] = field(default_factory=dict)
    epochs: int = 2
    patience: int = 15
    copies: int = 0
    ships: bool = False


W1 = {"window_frames": 16, "hop_frames": 8, "batch_size": 8, "learning_rate": 1e-3, "dropout": 0.0}
K2 = {"units": 8, "batch_size": 32, "learning_rate": 1e-2}
T1 = {"channels": 4, "units": 8, "window_frames": 32, "hop_frames": 16, "batch_size": 8, "ema_decay": 0.5}
CASES = {
    "w1": Case("w1", W1),
    "w1-sequence-keep-mean": Case("w1", {**W1, "lstm_output": "sequence", "keep_mean": ["mel-128"], "ema_decay": 0.0}),
    "w1-copies-dropout": Case("w1", {**W1, "dropout": 0.2}, copies=1),
    "k2": Case("k2", K2),
    "k2-stops-early": Case("k2", {**K2, "learning_rate": 0.2}, epochs=12, patience=2),
    "k2-ships": Case("k2", {**K2, "layers": 1}, ships=True),
    "t1": Case("t1", T1),
    "t1-smoothed-validation": Case("t1", {**T1, "validation_epochs": 2, "keep_mean": []}, epochs=4),
    "t2": Case("t2"),
    "t2-rbf": Case("t2", {"kernel": "rbf", "class_weight": "none", "C": 1.0}),
    "t2-ships": Case("t2", ships=True),
}


@pytest.mark.parametrize("name", CASES)
def test_trainings_are_unchanged(name, tmp_path):
    case = CASES[name]
    experiment, ids = _experiment(case, tmp_path)
    stores = experiment.stores()
    system = experiment.create({**hyperparameters_of(PARAMS.systems, case.system), **case.changed}, stores)
    seed = training_seed(0, "protocol", case.system, "fold")
    if case.ships:
        fit = refit(system, experiment, stores, seed, epochs=2, temperature=1.5)
    else:
        fit = fit_system(system, experiment, stores, ids[:14], ids[14:20], seed)
    probabilities = predict(system, experiment, stores, ids[20:])
    version = [keys.architecture_identity(system_class(experiment.config)), loop.TRAINING_VERSION]
    to_raise = (
        f"VERSION of {case.system}'s architecture, or TRAINING_VERSION in learning/loop.py if it is not the cause"
    )
    check("trainings", name, version, probabilities, 1e-3, to_raise)
    if name == "k2-stops-early":
        assert len(fit.curves) < case.epochs
    if not system.BY_EPOCH and not case.ships:
        check("trainings", f"{name}-temperature", version, np.array([system.temperature]), 1e-3, to_raise)


def _experiment(case: Case, folder: Path) -> tuple[Experiment, list[str]]:
    """An experiment with made-up features of 26 utterances, and their ids."""
    needs = PARAMS.needs[case.system].model_copy(update={"copies": case.copies})
    draws = np.random.default_rng(0)
    targets = {f"u{n:02d}": n % len(LABELS) for n in range(26)}
    for name in needs.features:
        dims, statistics = _dims(name), PARAMS.features[name].kind == "statistics"
        with ArrayWriter(folder / name / needs.variant(PARAMS.features[name], 16000)) as writer:
            for n, (id, target) in enumerate(targets.items()):
                shape = (dims,) if statistics else (34 + n % 7, dims)
                rhythm = np.sin(np.arange(shape[0])[:, np.newaxis] * np.pi / (3 + 3 * target)) if not statistics else 0
                array = (draws.normal(size=shape) + target * np.linspace(-1, 1, dims) + target * rhythm).astype("f4")
                writer.add(id, array)
                for copy in range(1, case.copies + 1):
                    writer.add(f"{id}#{copy}", array + np.float32(0.1 * copy), source=id)
    experiment = Experiment(
        corpus="demo",
        protocol="demo-speakers",
        config=system_config(PARAMS.systems, case.system),
        needs=needs,
        recipe=PARAMS.preprocess.recipes[needs.recipe],
        definitions={name: PARAMS.features[name] for name in needs.features},
        features=folder,
        sample_rate=16000,
        labels=LABELS,
        targets=targets,
        max_epochs=case.epochs,
        patience=case.patience,
    )
    return experiment, sorted(targets)


def _dims(name: str) -> int:
    feature = PARAMS.features[name]
    if feature.kind == "statistics":
        return 12
    size = {"spectrogram": feature.n_bands, "mspec": feature.n_mels, "mfcc": feature.n_mfcc}.get(feature.kind, 1)
    return size * (1 + feature.deltas)
