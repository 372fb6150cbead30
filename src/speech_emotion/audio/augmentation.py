"""Changed copies of a waveform for training: time stretch, pitch shift, white noise."""

from typing import Any

import numpy as np

from speech_emotion.audio.levels import rms_dbfs, set_level
from speech_emotion.compiled import librosa
from speech_emotion.params import Augment
from speech_emotion.randomness import generator

# Raise it when a copy changes audibly (by more than 1e-4): keys of trainings that hear copies hold it.
VERSION = 1
N_FFT = 1024  # of the phase vocoder; 64 ms at 16 kHz resolve the harmonics of low voices and smear onsets little


def augmentation_identity(params: Augment, copies: int) -> dict[str, Any]:
    """Everything that decides the augmented copies of a given waveform, as JSON values.

    Args:
        copies: of each utterance, at least 1.
    """
    return {"version": VERSION, "copies": copies, **params.model_dump()}


def stretch_time(samples: np.ndarray, factor: float) -> np.ndarray:
    """Plays samples (n,) `factor` times as fast at the same pitch (phase vocoder): (about n / factor,)."""
    return librosa().effects.time_stretch(samples, rate=factor, n_fft=N_FFT)


def shift_pitch(samples: np.ndarray, rate: int, semitones: float) -> np.ndarray:
    """Raises the pitch of samples (n,) by `semitones`, below zero lowers it, in the same time: (n,)."""
    return librosa().effects.pitch_shift(samples, sr=rate, n_steps=semitones, n_fft=N_FFT, res_type="soxr_hq")


def add_noise(samples: np.ndarray, snr_db: float, random: np.random.Generator) -> np.ndarray:
    """Adds white Gaussian noise to samples (n,), `snr_db` below their mean power; silence gets none."""
    deviation = np.sqrt(np.mean(np.square(samples, dtype=np.float64)) * 10 ** (-snr_db / 10))
    return samples + (deviation * random.standard_normal(len(samples))).astype(samples.dtype)


def augment(samples: np.ndarray, rate: int, id: str, copy: int, params: Augment) -> np.ndarray:
    """Copy number `copy` of an utterance: stretched, shifted and noisy, each by a uniform draw from the params' range.

    Stretching and shifting blur phases and so take a few dB; the waveform's own RMS is restored before noise is added.
    The draws are keyed by (seed, id, copy, operation): they do not depend on the other utterances or on their order.

    Args:
        samples: (n,) float32, full scale 1.
        rate: Hz.
        id: of the utterance.
        copy: 1, 2, ...

    Returns:
        (m,) float32, m about n / stretch.
    """

    def draw(operation: str, interval: list[float]) -> float:
        return float(generator(params.seed, id, copy, operation).uniform(*interval))

    changed = stretch_time(samples, draw("stretch", params.stretch))
    changed = shift_pitch(changed, rate, draw("pitch", params.pitch_semitones))
    changed = set_level(changed, "rms", rms_dbfs(samples)) if samples.any() else changed
    noise = generator(params.seed, id, copy, "noise")
    return add_noise(changed, draw("snr", params.snr_db), noise).astype(np.float32)
