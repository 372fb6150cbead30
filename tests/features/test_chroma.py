"""Chroma against librosa and against known notes."""

import numpy as np
import pytest
import scipy.signal

from speech_emotion.compiled import librosa
from speech_emotion.features.chroma import chroma

RATE = 16000
NOTES = {"C": (0, 261.63), "E": (4, 329.63), "A": (9, 440.0), "B": (11, 493.88)}


def assert_agrees(samples):
    samples = samples.astype(np.float64)
    window = scipy.signal.get_window("hann", 1024, fftbins=False)
    theirs = librosa().feature.chroma_stft(
        y=samples, sr=RATE, n_fft=1024, hop_length=160, window=window, center=False, tuning=0.0
    )
    ours = chroma(samples, RATE, 1024, 160, 1024, "hann")
    assert ours.shape == theirs.T.shape
    assert ours.max() == 1
    np.testing.assert_allclose(ours, theirs.T, rtol=0, atol=1e-3)


def test_agrees_with_librosa_on_a_synthetic_signal(synthetic):
    assert_agrees(synthetic)


def test_agrees_with_librosa_on_real_speech(utterances):
    for samples in utterances:
        assert_agrees(samples)


@pytest.mark.parametrize("note", NOTES)
def test_note_is_the_largest_class(note):
    place, hertz = NOTES[note]
    sine = np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)
    assert (chroma(sine, RATE, 2048, 512, 4096, "hann").argmax(axis=1) == place).all()


def test_silence_is_zero():
    assert not chroma(np.zeros(2000), RATE, 1024, 160, 1024, "hann").any()


def test_frame_shorter_than_its_transform_starts_at_its_hop():
    samples = np.zeros(2000)
    samples[160 * 3 :] = np.sin(2 * np.pi * 440 * np.arange(2000 - 480) / RATE)
    found = chroma(samples, RATE, 160, 160, 1024, "boxcar")
    assert not found[2].any()
    assert found[3].any()
