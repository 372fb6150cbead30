"""Speech rate: syllable nuclei per second, without a transcript."""

from functools import lru_cache

import numpy as np
import scipy.fft
import scipy.signal

from speech_emotion.features.framing import framed

DIP_DB = 2.0  # least height of a nucleus above the dips on both sides (de Jong & Wempe 2009)
BELOW_LOUDEST_DB = 25.0  # a nucleus is at most this much below the loud parts, the 99th percentile
SMOOTHING_SECONDS = 0.064  # of the intensity contour: 3.2 periods of 50 Hz, as in the paper
VOICED = 0.45  # least autocorrelation of a voiced frame, at the best lag (Boersma 1993)
PITCH_HZ = (60.0, 500.0)


def speech_rate(samples: np.ndarray, rate: int, frame: int, hop: int) -> float:
    """Voiced peaks of the intensity contour per second of the utterance, including pauses.

    de Jong & Wempe, "Praat script to detect syllable nuclei and measure speech rate automatically", Behavior Research
    Methods 41, 2009.

    Args:
        samples: (n,), n at least `frame`.
        rate: Hz.
        frame: samples from which an intensity is computed.
        hop: samples.

    Returns:
        Nuclei per second, 0 or more.
    """
    frames = framed(samples, frame, hop)
    power = np.mean(np.square(frames), axis=1)
    width = max(1, round(SMOOTHING_SECONDS * rate / hop))
    weights = scipy.signal.get_window("hann", width + 2, fftbins=False)[1:-1]
    power = np.convolve(power, weights / weights.sum(), mode="same") if width <= len(power) else power
    if power.max() <= 0:
        return 0.0
    intensity = 10 * np.log10(np.maximum(power, power.max() * 1e-10))
    height = np.percentile(intensity, 99) - BELOW_LOUDEST_DB
    peaks, _ = scipy.signal.find_peaks(intensity, height=height, prominence=DIP_DB)
    nuclei = sum(_voiced(samples, rate, peak * hop + frame // 2) for peak in peaks)
    return nuclei * rate / len(samples)


def _voiced(samples: np.ndarray, rate: int, centre: int) -> bool:
    """Whether the samples around `centre` are periodic with a pitch of speech (Boersma 1993, eq. 9)."""
    longest, shortest = int(rate / PITCH_HZ[0]), int(rate / PITCH_HZ[1])
    around = samples[max(0, centre - 2 * longest) : centre + 2 * longest]
    lags = min(longest, len(around) // 2) + 1
    window, of_window = _window(len(around), lags)
    own = _autocorrelation((around - around.mean()) * window, lags)
    periodicity = own[shortest:] / of_window[shortest:] * of_window[0]
    return own[0] > 0 and bool(np.max(periodicity, initial=0.0) > VOICED * own[0])


@lru_cache(maxsize=64)
def _window(length: int, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """A Hann window and its autocorrelation."""
    window = np.hanning(length)
    return window, _autocorrelation(window, lags)


def _autocorrelation(values: np.ndarray, lags: int) -> np.ndarray:
    """At the lags 0 .. lags - 1."""
    size = scipy.fft.next_fast_len(len(values) + lags, real=True)
    return scipy.fft.irfft(np.abs(scipy.fft.rfft(values, size)) ** 2, size)[:lags]
