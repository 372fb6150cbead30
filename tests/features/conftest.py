"""Waveforms that the tests of features share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile

from speech_emotion.params import Params, load_params

RATE = 16000


@pytest.fixture(scope="session")
def params() -> Params:
    return load_params(Path(__file__).parents[2] / "params.yaml")


def _voice(f0: np.ndarray, formants: tuple[float, ...] = (), level: float = 0.1) -> np.ndarray:
    """A pulse train of pitch f0 (n,) Hz, filtered by two-pole resonators of 80 Hz bandwidth if formants are given."""
    phase = np.cumsum(f0) / RATE
    pulses = np.diff(np.floor(phase), prepend=0.0)
    for formant in formants:
        radius, angle = np.exp(-np.pi * 80 / RATE), 2 * np.pi * formant / RATE
        pulses = scipy.signal.lfilter([1.0], [1.0, -2 * radius * np.cos(angle), radius**2], pulses)
    return level * pulses / np.abs(pulses).max()


@pytest.fixture(scope="session")
def voice() -> Callable[..., np.ndarray]:
    """voice(f0, formants=(), level=0.1): a voice of known pitch and formants."""
    return _voice


@pytest.fixture(scope="session")
def synthetic() -> np.ndarray:
    """1.2 s: a gliding vowel, a pause, hiss, another vowel; float32 at 16 kHz."""
    random = np.random.default_rng(7)
    rising = _voice(np.linspace(110, 220, 6400), (700, 1200, 2600))
    falling = _voice(np.linspace(260, 160, 6400), (400, 2000, 2800))
    hiss = 0.02 * random.standard_normal(3200)
    whole = np.concatenate([rising, np.zeros(3200), hiss, falling]) + 1e-4 * random.standard_normal(19200)
    return whole.astype(np.float32)


@pytest.fixture(scope="session")
def utterances(corpora: Path) -> list[np.ndarray]:
    """Five utterances of EMO-DB of five speakers and emotions, float32 at 16 kHz."""
    names = ("03a01Fa", "08a02Na", "11b01Ab", "14b02Tc", "16a07Wa")
    paths = [corpora / "emodb" / "wav" / f"{name}.wav" for name in names]
    return [soundfile.read(path, dtype="float32")[0] for path in paths]
