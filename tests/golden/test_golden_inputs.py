"""Preprocessing, augmented copies and features give the committed values."""

import numpy as np
import pytest
import scipy.signal

from golden.golden import check
from speech_emotion.audio import augmentation, preparation
from speech_emotion.audio.augmentation import augment
from speech_emotion.audio.preparation import prepare
from speech_emotion.features import versions
from speech_emotion.features.extraction import compute
from speech_emotion.params import Augment, Feature, Preprocess, Recipe

RATE = 16000
FRAMES = {"frame": 400, "hop": 160}
SPECTRUM = {**FRAMES, "n_fft": 512, "window": "hamming", "preemphasis": 0.97}
PITCH = {"frame": 1024, "hop": 160, "fmin": 60.0, "fmax": 500.0}
FEATURES = {
    name: Feature(**definition)
    for name, definition in {
        "spectrogram": {"kind": "spectrogram", **SPECTRUM, "n_bands": 16, "log": True, "fmax": 4000.0},
        "spectrogram-linear": {"kind": "spectrogram", **SPECTRUM, "n_bands": 16, "log": False},
        "mspec": {"kind": "mspec", **SPECTRUM, "n_mels": 24},
        "mspec-deltas": {"kind": "mspec", **SPECTRUM, "n_mels": 24, "deltas": 2},
        "mspec-hann": {"kind": "mspec", **SPECTRUM, "window": "hann", "preemphasis": 0.0, "n_mels": 24, "fmax": 4000.0},
        "mfcc": {"kind": "mfcc", **SPECTRUM, "n_mels": 40, "n_mfcc": 13},
        "energy": {"kind": "energy", **FRAMES, "window": "hann"},
        "f0": {"kind": "f0", **PITCH},
        "voicing": {"kind": "voicing", **PITCH},
        "zcr": {"kind": "zcr", **FRAMES},
        "chroma": {"kind": "chroma", "frame": 1024, "hop": 160, "n_fft": 1024, "window": "hann"},
        "formants": {"kind": "formants", **FRAMES, "n_formants": 3},
        "speech-rate": {"kind": "speech-rate", **FRAMES},
        "statistics": {"kind": "statistics", "of": ["mspec", "energy", "f0", "zcr", "formants", "speech-rate"]},
    }.items()
}
PREPARATION = Preprocess(
    sample_rate=RATE,
    recipes={},
    level_dbfs=-26.0,
    vad_threshold_db=35.0,
    vad_hang_ms=100.0,
    oversubtraction=2.0,
    spectral_floor=0.02,
    wavelet="db8",
    wavelet_levels=5,
)
RECIPES = {
    "plain": Recipe(level="none", denoise="none", vad=False),
    "peak": Recipe(level="peak", denoise="none", vad=False),
    "spectral-subtraction": Recipe(level="rms", denoise="spectral-subtraction", vad=True),
    "wavelet": Recipe(level="rms", denoise="wavelet", vad=True),
}


def speech_like(rate: int = RATE) -> np.ndarray:
    """1.2 s of synthetic sound, float32: a vowel with rising F0, a pause, weak noise, a vowel with falling F0."""

    def vowel(f0: np.ndarray, formants: tuple[int, ...]) -> np.ndarray:
        pulses = np.diff(np.floor(np.cumsum(f0) / rate), prepend=0.0)
        for formant in formants:
            radius, angle = np.exp(-np.pi * 80 / rate), 2 * np.pi * formant / rate
            pulses = scipy.signal.lfilter([1.0], [1.0, -2 * radius * np.cos(angle), radius**2], pulses)
        return 0.2 * pulses / np.abs(pulses).max()

    random, n = np.random.default_rng(7), rate // 5
    first = vowel(np.linspace(110, 220, 2 * n), (700, 1200, 2600))
    second = vowel(np.linspace(260, 160, 2 * n), (400, 2000, 2800))
    whole = np.concatenate([first, np.zeros(n), 0.02 * random.standard_normal(n), second])
    return (whole + 1e-3 * random.standard_normal(len(whole))).astype(np.float32)


def test_every_kind_of_feature_has_a_case():
    assert {feature.kind for feature in FEATURES.values()} == set(versions.VERSIONS)
    assert any(feature.deltas for feature in FEATURES.values())


@pytest.mark.parametrize("name", FEATURES)
def test_features_are_unchanged(name):
    kind = FEATURES[name].kind
    to_raise = f"VERSIONS[{kind!r}] (or DELTAS_VERSION) in features/versions.py"
    values = compute(name, speech_like(), FEATURES, RATE)
    identity = versions.feature_identity(name, FEATURES)
    check("features", name, identity, values[::8] if values.ndim > 1 else values, 1e-4, to_raise)


def test_features_of_a_repeated_short_waveform_are_unchanged():
    values = compute("mspec", speech_like()[:2000], FEATURES, RATE, min_samples=5000)
    check("features", "mspec-repeated", versions.VERSIONS["mspec"], values[::4], 1e-4, "VERSIONS['mspec']")


@pytest.mark.parametrize("rate", [RATE, 44100])
@pytest.mark.parametrize("recipe", RECIPES)
def test_preprocessed_waveforms_are_unchanged(recipe, rate):
    values = prepare(np.stack([speech_like(rate)] * 2, axis=1), rate, RECIPES[recipe], PREPARATION)
    check("waveforms", f"{recipe}-{rate}", preparation.VERSION, values[::97], 1e-4, "VERSION in audio/preparation.py")


def test_augmented_copies_are_unchanged():
    params = Augment(seed=0, stretch=[0.9, 1.1], pitch_semitones=[-2.0, 2.0], snr_db=[15.0, 30.0])
    values = augment(speech_like(), RATE, "demo/a", 1, params)
    check("waveforms", "augmented", augmentation.VERSION, values[::97], 1e-4, "VERSION in audio/augmentation.py")
