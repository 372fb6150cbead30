"""Spectrogram, log-mel (MSPEC), MFCC, energy and chroma by fast Fourier transforms, for the features step.

The first four are defined by `FrontEnd`, which computes them in the graph; here they have the same values, computed
faster. Features with the same frames share a transform, and MFCC shares its mel bands with MSPEC.
"""

from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft
import scipy.signal
import scipy.sparse

from speech_emotion.compiled import librosa
from speech_emotion.features.framing import framed
from speech_emotion.features.frontend import LOG_FLOOR, band_weights
from speech_emotion.params import FRONT_END_KINDS, Feature

BLOCK = 32768  # samples of frames that are transformed together, so that they stay in the processor's cache
SPECTRAL_KINDS = (*FRONT_END_KINDS, "chroma")


def spectral(
    feature: Feature, samples: np.ndarray, rate: int, known: MutableMapping[Any, Any] | None = None
) -> np.ndarray:
    """A feature of one of SPECTRAL_KINDS, without derivatives.

    Chroma is the power of the twelve pitch classes from C to B, divided by the largest in the frame; 0 in silent frames
    (librosa.feature.chroma_stft). The tuning is fixed at A = 440 Hz.

    Args:
        feature: the definition.
        samples: (n,) float64, full scale 1, n at least the feature's frame.
        rate: Hz.
        known: spectra of these samples from earlier calls; this call adds its own.

    Returns:
        (frames, dims) float64, where frame t is samples [t hop, t hop + frame). Do not write to it: other features may
        share it.
    """
    known = {} if known is None else known
    if feature.kind == "energy":
        weights = _window(feature.window, feature.frame) ** 2 / feature.frame
        power = np.vecdot(framed(samples**2, feature.frame, feature.hop), weights)
        return _logarithm(power[:, np.newaxis])
    spectrum = (feature.frame, feature.hop, feature.n_fft, feature.window, feature.preemphasis or 0.0)
    key = ("power spectrum", len(samples), *spectrum)
    if key not in known:
        known[key] = power_spectrum(samples, *spectrum)
    power = known[key]
    if feature.kind == "chroma":
        classes = power @ _pitch_classes(rate, feature.n_fft)
        largest = classes.max(axis=1, keepdims=True)
        return classes / np.where(largest > 0, largest, 1.0)
    if feature.kind == "spectrogram":
        bands = power @ _bands(feature, rate)
        return _logarithm(bands) if feature.log else bands
    key = ("mel bands", *key[1:], feature.n_mels, feature.fmax)
    if key not in known:
        known[key] = _logarithm(power @ _bands(feature, rate))
    mspec = known[key]
    return mspec if feature.kind == "mspec" else scipy.fft.dct(mspec, norm="ortho", axis=1)[:, : feature.n_mfcc]


def power_spectrum(
    samples: np.ndarray, frame: int, hop: int, n_fft: int, window: str, preemphasis: float
) -> np.ndarray:
    """|FFT(w * preemphasised frame)|^2, with window and pre-emphasis within the frame as in FrontEnd.

    Args:
        samples: (n,) float64, n at least `frame`.
        frame: samples, at most `n_fft`; the transform pads it with zeros at its end.
        hop: samples.
        n_fft: length of the transform.
        window: a name for scipy.signal.get_window.
        preemphasis: a, 0 for none.

    Returns:
        (frames, n_fft / 2 + 1).
    """
    weights = _window(window, frame)
    emphasised = np.append((1 - preemphasis) * samples[0], samples[1:] - preemphasis * samples[:-1])
    frames = framed(emphasised, frame, hop)
    first = weights[0] * (1 - preemphasis) * samples[: len(frames) * hop : hop]  # has no sample before it in the frame
    power = np.empty((len(frames), n_fft // 2 + 1))
    weighted = np.zeros((max(1, BLOCK // n_fft), n_fft))
    for start in range(0, len(frames), len(weighted)):
        block = frames[start : start + len(weighted)]
        part = weighted[: len(block)]
        np.multiply(block, weights, out=part[:, :frame])
        part[:, 0] = first[start : start + len(block)]
        spectrum = np.fft.rfft(part)
        np.add(spectrum.real**2, spectrum.imag**2, out=power[start : start + len(block)])
    return power


def _logarithm(power: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(power, LOG_FLOOR))


@lru_cache(maxsize=64)
def _window(name: str, frame: int) -> np.ndarray:
    return scipy.signal.get_window(name, frame, fftbins=False)


@lru_cache(maxsize=64)
def _bands(feature: Feature, rate: int) -> scipy.sparse.csc_array:
    """(bins, bands); a bin is in at most two bands."""
    return scipy.sparse.csc_array(band_weights(feature, rate))


@lru_cache(maxsize=64)
def _pitch_classes(rate: int, n_fft: int) -> np.ndarray:
    """(bins, 12)"""
    return librosa().filters.chroma(sr=rate, n_fft=n_fft, tuning=0.0).astype(np.float64).T
