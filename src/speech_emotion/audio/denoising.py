"""Noise reduction by spectral subtraction and by wavelet shrinkage. Both use the whole utterance."""

import numpy as np
import pywt

from speech_emotion.compiled import librosa

FRAME_SECONDS = 0.032  # of the frames of spectral subtraction; the hop is a quarter of it
QUIET_SHARE = 0.1  # of an utterance's frames: the mean power of the quietest ones is the noise estimate


def spectral_subtraction(samples: np.ndarray, rate: int, oversubtraction: float, floor: float) -> np.ndarray:
    """Subtracts the noise's power spectrum, estimated from the quietest frames, from the power spectrum of each frame.

    |S|^2 = max(|X|^2 - a |N|^2, b |N|^2) with the phase of X (Berouti, Schwartz & Makhoul, "Enhancement of speech
    corrupted by acoustic noise", ICASSP 1979). The factor a of a frame is linear in its SNR: `oversubtraction` at 0 dB,
    1 at 20 dB and above, and constant below -5 dB.

    Args:
        samples: (n,), full scale 1.
        rate: Hz.
        oversubtraction: a at 0 dB, at least 1.
        floor: b, 0..1; masks musical noise.

    Returns:
        (n,) float64.
    """
    n_fft = 2 ** round(np.log2(FRAME_SECONDS * rate))
    hop = n_fft // 4
    spectrum = librosa().stft(_padded(samples.astype(np.float64), n_fft), n_fft=n_fft, hop_length=hop)
    power = spectrum.real**2 + spectrum.imag**2  # (bins, frames)
    loudness = power.sum(axis=0)
    quietest = np.argsort(loudness, kind="stable")[: max(1, int(QUIET_SHARE * len(loudness)))]
    noise = power[:, quietest].mean(axis=1, keepdims=True)
    if not noise.any():
        return samples.astype(np.float64)
    snr = 10 * np.log10(np.maximum(loudness, np.finfo(np.float64).tiny) / noise.sum())
    factor = oversubtraction - (oversubtraction - 1) * np.clip(snr, -5, 20) / 20
    clean = np.maximum(power - factor * noise, floor * noise)
    gain = np.sqrt(np.divide(clean, power, out=np.zeros_like(power), where=power > 0))
    return librosa().istft(spectrum * gain, n_fft=n_fft, hop_length=hop, length=len(samples))


def _padded(samples: np.ndarray, length: int) -> np.ndarray:
    return np.pad(samples, (0, max(0, length - len(samples))))


def wavelet_shrinkage(samples: np.ndarray, wavelet: str, levels: int) -> np.ndarray:
    """Soft-thresholds the wavelet details at the universal threshold s sqrt(2 ln n).

    s is the median magnitude of the finest details divided by 0.6745 (Donoho & Johnstone, "Ideal spatial adaptation by
    wavelet shrinkage", Biometrika 81, 1994).

    Args:
        samples: (n,).
        wavelet: a discrete wavelet of PyWavelets, such as db8.
        levels: of the decomposition; fewer if the waveform is too short.

    Returns:
        (n,) float64.
    """
    samples = samples.astype(np.float64)
    levels = min(levels, pywt.dwt_max_level(len(samples), wavelet))
    if levels < 1:
        return samples
    approximation, *details = pywt.wavedec(samples, wavelet, level=levels)
    deviation = np.median(np.abs(details[-1])) / 0.6745
    if deviation == 0:
        return samples
    threshold = deviation * np.sqrt(2 * np.log(len(samples)))
    shrunk = [pywt.threshold(detail, threshold, mode="soft") for detail in details]
    return pywt.waverec([approximation, *shrunk], wavelet)[: len(samples)]
