"""Augmented copies of a waveform for training: time stretch, pitch shift, white noise."""

from typing import Any

import numpy as np

from speech_emotion.audio.levels import rms_dbfs, set_level
from speech_emotion.compiled import librosa
from speech_emotion.params import Augment
from speech_emotion.randomness import generator

# Raise it when copies change (by more than 1e-4): it is in the keys of trainings with copies.
VERSION = 1
N_FFT = 1024  # of the phase vocoder; 64 ms at 16 kHz resolve the harmonics of low voices and smear onsets little


def augmentation_identity(params: Augment, copies: int) -> dict[str, Any]:
    """All settings that decide the augmented copies of a given waveform, as JSON values.

    Args:
        params: section augment.
        copies: number for each utterance, at least 1.
    """
    return {"version": VERSION, "copies": copies, **params.model_dump(exclude_defaults=True)}


def stretch_time(samples: np.ndarray, factor: float) -> np.ndarray:
    """Samples (n,) `factor` times as fast at the same pitch (phase vocoder): (about n / factor,)."""
    return librosa().effects.time_stretch(samples, rate=factor, n_fft=N_FFT)


def shift_pitch(samples: np.ndarray, rate: int, semitones: float) -> np.ndarray:
    """Samples (n,) with the pitch raised by `semitones` (lowered if negative) and the same duration: (n,)."""
    return librosa().effects.pitch_shift(samples, sr=rate, n_steps=semitones, n_fft=N_FFT, res_type="soxr_hq")


def add_noise(samples: np.ndarray, snr_db: float, random: np.random.Generator) -> np.ndarray:
    """Samples (n,) with white Gaussian noise `snr_db` below their mean power; silence stays silent."""
    deviation = np.sqrt(np.mean(np.square(samples, dtype=np.float64)) * 10 ** (-snr_db / 10))
    return samples + (deviation * random.standard_normal(len(samples))).astype(samples.dtype)


def augment(samples: np.ndarray, rate: int, id: str, copy: int, params: Augment) -> np.ndarray:
    """Makes one augmented copy: stretched, shifted and with noise, each by a uniform draw from its range in params.

    Stretching and shifting blur the phases, which costs a few dB; the original RMS is restored before noise is added.
    Draws are keyed by (seed, id, copy, operation), so they do not depend on other utterances or their order.

    Args:
        samples: (n,) float32, full scale 1.
        rate: Hz.
        id: of the utterance.
        copy: number of the copy: 1, 2, ...
        params: section augment: the ranges and the seed.

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
