"""Spectral features compared with the front-end, which defines them; chroma with librosa and known notes."""

import numpy as np
import pytest
import scipy.signal
import torch

from speech_emotion.compiled import librosa
from speech_emotion.features import spectral as module
from speech_emotion.features.frontend import FrontEnd, frame_count
from speech_emotion.features.spectral import spectral
from speech_emotion.params import FRONT_END_KINDS, Feature

RATE = 16000
USUAL = {"frame": 400, "hop": 160, "n_fft": 512, "window": "hamming", "preemphasis": 0.97}
SETTINGS = {
    "usual": USUAL,
    "no pre-emphasis": USUAL | {"preemphasis": 0.0, "window": "hann"},
    "transform as long as the frame": USUAL | {"frame": 512},
    "odd frame, hop beyond it": USUAL | {"frame": 333, "hop": 701},
    "hop of one sample": USUAL | {"frame": 64, "hop": 1, "n_fft": 128, "window": "boxcar"},
    "long transform": USUAL | {"frame": 1024, "hop": 320, "n_fft": 2048, "window": "hann", "preemphasis": 0.5},
}
NOTES = {"C": (0, 261.63), "E": (4, 329.63), "A": (9, 440.0), "B": (11, 493.88)}


def definition(kind: str, settings: dict) -> Feature:
    if kind == "energy":
        return Feature(kind=kind, **{name: settings[name] for name in ("frame", "hop", "window")})
    own = {"spectrogram": {"n_bands": 32, "log": True}, "mspec": {"n_mels": 20}, "mfcc": {"n_mels": 20, "n_mfcc": 7}}
    return Feature(kind=kind, **settings, **own[kind])


def assert_equals_the_front_end(feature: Feature, samples: np.ndarray) -> None:
    samples = samples.astype(np.float64)
    expected = FrontEnd(feature, RATE, torch.float64)(torch.from_numpy(samples)[None])[0].numpy()
    found = spectral(feature, samples, RATE)
    assert found.shape == expected.shape
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("kind", FRONT_END_KINDS)
def test_equals_the_front_end(kind, settings, synthetic):
    samples = synthetic[: 8000 if settings["hop"] > 1 else 900]
    assert spectral(definition(kind, settings), samples.astype(np.float64), RATE).std() > 0.1
    assert_equals_the_front_end(definition(kind, settings), samples)


@pytest.mark.parametrize("kind", ["spectrogram", "mspec", "mfcc"])
def test_equals_the_front_end_up_to_another_frequency(kind, synthetic):
    feature = definition(kind, USUAL)
    assert_equals_the_front_end(Feature(**feature.model_dump() | {"fmax": 4000.0}), synthetic)


def test_linear_spectrogram_equals_the_front_end(synthetic):
    feature = definition("spectrogram", USUAL)
    assert_equals_the_front_end(Feature(**feature.model_dump() | {"log": False, "n_bands": 256}), synthetic)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(1000),
        np.full(400, 0.5),
        np.eye(1, 1000, 500)[0],
        1e-6 * np.sin(np.arange(1000)),
        50 * np.random.default_rng(0).normal(0, 0.1, 1000),
    ],
    ids=["silence", "one constant frame", "click", "faint", "above full scale"],
)
@pytest.mark.parametrize("kind", FRONT_END_KINDS)
def test_extreme_samples_equal_the_front_end(kind, samples):
    assert_equals_the_front_end(definition(kind, USUAL), samples)


def test_every_spectral_feature_of_params_equals_the_front_end_on_real_speech(params, utterances):
    for feature in params.features.values():
        if feature.kind in FRONT_END_KINDS:
            for samples in utterances:
                assert_equals_the_front_end(feature, samples)


def test_features_with_the_same_frames_share_one_transform_and_others_do_not(monkeypatch, synthetic):
    calls, known = [], {}
    power_spectrum = module.power_spectrum
    monkeypatch.setattr(module, "power_spectrum", lambda *arguments: calls.append(1) or power_spectrum(*arguments))
    samples = synthetic.astype(np.float64)
    for kind in ("spectrogram", "mspec", "mfcc"):
        shared = spectral(definition(kind, USUAL), samples, RATE, known)
        np.testing.assert_array_equal(shared, spectral(definition(kind, USUAL), samples, RATE))
    assert len(calls) == 1 + 3
    for name in SETTINGS:
        if name != "usual":
            feature = definition("mspec", SETTINGS[name])
            found = spectral(feature, samples[:2000], RATE, known)
            np.testing.assert_array_equal(found, spectral(feature, samples[:2000], RATE))
    fewer = Feature(kind="mspec", **USUAL, n_mels=10)
    assert spectral(fewer, samples, RATE, known).shape[1] == 10
    assert len(spectral(definition("mspec", USUAL), samples[:2000], RATE, known)) == frame_count(2000, 400, 160)


def chroma(samples: np.ndarray, frame: int, hop: int, n_fft: int, window: str) -> np.ndarray:
    feature = Feature(kind="chroma", frame=frame, hop=hop, n_fft=n_fft, window=window)
    return spectral(feature, samples.astype(np.float64), RATE)


def assert_chroma_agrees(samples: np.ndarray) -> None:
    window = scipy.signal.get_window("hann", 1024, fftbins=False)
    theirs = librosa().feature.chroma_stft(
        y=samples.astype(np.float64), sr=RATE, n_fft=1024, hop_length=160, window=window, center=False, tuning=0.0
    )
    ours = chroma(samples, 1024, 160, 1024, "hann")
    assert ours.shape == theirs.T.shape
    assert ours.max() == 1
    np.testing.assert_allclose(ours, theirs.T, rtol=0, atol=1e-4)


def test_chroma_agrees_with_librosa_on_a_synthetic_signal(synthetic):
    assert_chroma_agrees(synthetic)


def test_chroma_agrees_with_librosa_on_real_speech(utterances):
    for samples in utterances:
        assert_chroma_agrees(samples)


@pytest.mark.parametrize("note", NOTES)
def test_a_note_has_the_largest_class(note):
    place, hertz = NOTES[note]
    sine = np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)
    assert (chroma(sine, 2048, 512, 4096, "hann").argmax(axis=1) == place).all()


def test_chroma_of_silence_is_zero():
    assert not chroma(np.zeros(2000), 1024, 160, 1024, "hann").any()


def test_frame_shorter_than_its_transform_starts_at_its_hop():
    samples = np.zeros(2000)
    samples[160 * 3 :] = np.sin(2 * np.pi * 440 * np.arange(2000 - 480) / RATE)
    found = chroma(samples, 160, 160, 1024, "boxcar")
    assert not found[2].any()
    assert found[3].any()
