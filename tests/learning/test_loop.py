"""Which epoch of a training is kept."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from speech_emotion.learning import loop
from speech_emotion.learning.loop import Limits, fit_network, recent_validation_ua
from speech_emotion.learning.network import Network
from speech_emotion.learning.options import NetworkParams
from speech_emotion.learning.utterances import Utterances
from speech_emotion.learning.windows import Windows
from speech_emotion.store.arrays import ArrayStore, ArrayWriter

CURVE = (0.2, 0.7, 0.2, 0.5, 0.5, 0.5)  # a lucky second epoch, then three better ones in a row


class Bias(Network):
    """Returns its bias for any input."""

    def __init__(self):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(2))

    def fit_normalisation(self, statistics):
        pass

    def forward(self, features):
        return self.bias.expand(len(features["mel"]), 2)


@pytest.fixture
def windows(tmp_path):
    with ArrayWriter(tmp_path / "mel") as writer:
        for id in "abcd":
            writer.add(id, np.zeros((4, 3), np.float32))
    return Windows(Utterances("abcd", np.array([0, 1, 0, 1]), {"mel": ArrayStore(tmp_path / "mel")}), {"mel": 3}, 4, 4)


def _fit(windows, monkeypatch, validation_epochs, patience=10):
    values = iter(CURVE)
    monkeypatch.setattr(loop, "unweighted_recall", lambda probabilities, targets: next(values))
    system = SimpleNamespace(
        build=Bias,
        params=NetworkParams(epochs=10, batch_size=4, learning_rate=0.1, validation_epochs=validation_epochs),
        name="bias",
        classes=2,
        spectral=[],
    )
    system.optimiser = lambda: torch.optim.SGD(system.network.parameters(), lr=0.1)
    return fit_network(system, windows, windows, 0, Limits(len(CURVE), patience))


def test_the_epoch_of_the_best_validation_ua_is_kept(windows, monkeypatch):
    assert _fit(windows, monkeypatch, validation_epochs=1).best_epoch == 2


def test_one_lucky_epoch_is_not_kept_if_the_ua_is_averaged(windows, monkeypatch):
    assert _fit(windows, monkeypatch, validation_epochs=3).best_epoch == 6


def test_training_stops_when_patience_runs_out(windows, monkeypatch):
    fit = _fit(windows, monkeypatch, validation_epochs=1, patience=2)
    assert (fit.best_epoch, len(fit.curves)) == (2, 4)


def test_the_recent_validation_ua_is_the_mean_of_the_last_rows():
    curves = [{"valid_ua": value} for value in CURVE]
    assert recent_validation_ua(curves[:1], 3) == pytest.approx(0.2)
    assert recent_validation_ua(curves[:4], 3) == pytest.approx(1.4 / 3)
