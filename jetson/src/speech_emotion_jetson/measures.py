"""Measures that tell speech from other sounds: of a segment of waveform, independent of its level; needs only numpy.

They describe the spectrum's shape, how it changes, how loudness rises and falls at the pace of syllables, and how
periodic the waveform is. Scheirer & Slaney, "Construction and evaluation of a robust multifeature speech/music
discriminator", ICASSP 1997, use modulation energy near 4 Hz, spectral flux and the share of quiet frames, too.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

FRAME_SECONDS, STEP_SECONDS = 0.032, 0.016
BANDS, LOW_HZ, HIGH_HZ = 24, 80.0, 7600.0
RANGE_DB = 60.0  # dynamic range: values further below the loudest band of the segment are raised to this floor
ACTIVE_DB = 30.0  # frames this far below the loudest count as pauses
CEPSTRA = 10
HIGH_FROM_HZ = 3000.0
PITCH_HZ = (60.0, 450.0)
# Frames at a time. Larger arrays are returned to the system and paged in again each time, and larger matrix products
# start more of numpy's threads, which compete with the model's.
BLOCK = 16
MODULATION_HZ = (0.5, 2.0, 4.0, 8.0, 16.0, 32.0)  # edges of the modulation bands of the loudness
TINY = 1e-12


def measures(samples: np.ndarray, rate: int) -> np.ndarray:
    """The measures of a segment; it should last a second or more, to show the pace of syllables.

    Args:
        samples: (n,), at least two frames.
        rate: Hz.

    Returns:
        (D,) float64, finite; scaling the samples by a factor does not change them.
    """
    samples = np.array(samples, dtype=np.float64)
    samples -= samples.mean()
    frames, spectrum, bands = _spectrum(samples, rate)  # (T, frame), (T, K), (T, BANDS)
    peak = float(spectrum.max())
    bands = 10 * np.log10(np.maximum(bands, TINY * max(TINY, peak)) + 1e-30)
    bands = np.maximum(bands, bands.max() - RANGE_DB)  # (T, BANDS) in dB
    power = spectrum.sum(axis=1)
    loudness = 10 * np.log10(power + 1e-30)
    loudness = np.maximum(loudness, loudness.max() - RANGE_DB)
    active = loudness >= loudness.max() - ACTIVE_DB
    cepstra = bands @ _cosines()  # (T, CEPSTRA), without coefficient 0, the level
    spoken, changes = cepstra[active], np.abs(np.diff(cepstra, axis=0))
    both = active[1:] & active[:-1]
    both = both if both.any() else np.ones(len(both), bool)
    flatness, top = _peakedness(spectrum[active], TINY * peak)
    periodicity, pitch = _pitch(frames, np.flatnonzero(active), rate)
    voiced = periodicity > 0.5
    steps = np.abs(np.diff(pitch))[voiced[1:] & voiced[:-1]]
    high = (
        10 * np.log10((spectrum[:, _above(rate, HIGH_FROM_HZ) :].sum(axis=1) + 1e-30) / (power + 1e-30) + 1e-6)[active]
    )
    squares = np.square(samples, out=samples)
    variance = float(squares.mean())
    kurtosis = float(np.square(squares, out=squares).mean()) / variance**2 if variance > 0 else 1.0
    found = np.concatenate(
        [
            spoken.mean(axis=0),
            spoken.std(axis=0),
            changes[both].mean(axis=0),
            [
                active.mean(),
                loudness.std(),
                loudness[active].std(),
                np.abs(np.diff(loudness))[both].mean(),
                flatness.mean(),
                flatness.std(),
                top.mean(),
                top.std(),
                periodicity.mean(),
                periodicity.std(),
                voiced.mean(),
                pitch[voiced].std() if voiced.any() else 0.0,
                np.log(np.median(steps) + 1e-3) if len(steps) else np.log(1e-3),
                high.mean(),
                high.std(),
                np.log(kurtosis),
            ],
            _modulation(loudness),
        ]
    )
    return np.nan_to_num(found, nan=0.0, posinf=1e6, neginf=-1e6)


def _spectrum(samples: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames (T, frame) of samples, and their power by bin (T, K) and by band (T, BANDS)."""
    frame, step = round(FRAME_SECONDS * rate), round(STEP_SECONDS * rate)
    shape, stride = (1 + (len(samples) - frame) // step, frame), samples.strides[0]
    frames = np.lib.stride_tricks.as_strided(samples, shape, (step * stride, stride), writeable=False)
    window, bank = _window(frame), _bank(rate)
    power, bands = np.empty((len(frames), len(bank))), np.empty((len(frames), BANDS))
    for at in range(0, len(frames), BLOCK):
        some = slice(at, at + BLOCK)
        power[some] = _power(np.fft.rfft(frames[some] * window, axis=1))
        np.matmul(power[some], bank, out=bands[some])
    return frames, power, bands


@lru_cache(maxsize=8)
def _window(frame: int) -> np.ndarray:
    """Hann, of sum 1."""
    window = np.hanning(frame + 1)[:-1]
    return window / window.sum()


def _peakedness(spectrum: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Log of the spectral flatness, and the share of the four largest bins, of each frame's power (T, K): (T,) each.

    Reorders and overwrites `spectrum`.
    """
    mean = spectrum.mean(axis=1)
    spectrum.partition(spectrum.shape[1] - 4, axis=1)
    top = spectrum[:, -4:].sum(axis=1) / (mean * spectrum.shape[1] + 1e-30)
    spectrum += floor + 1e-30
    return np.log(spectrum, out=spectrum).mean(axis=1) - np.log(mean + floor + 1e-30), top


@lru_cache(maxsize=8)
def _frequencies(rate: int) -> np.ndarray:
    return np.fft.rfftfreq(round(FRAME_SECONDS * rate), 1 / rate)


def _above(rate: int, hertz: float) -> int:
    """The first bin at or above a frequency."""
    return int(np.searchsorted(_frequencies(rate), hertz))


@lru_cache(maxsize=8)
def _bank(rate: int) -> np.ndarray:
    """Triangular filters (K, BANDS) equally wide in mel, 2595 log10(1 + f / 700) (O'Shaughnessy 1987), of sum 1."""
    edges = np.linspace(*(2595 * np.log10(1 + np.array([LOW_HZ, min(HIGH_HZ, rate / 2)]) / 700)), BANDS + 2)
    mel = 2595 * np.log10(1 + _frequencies(rate) / 700)
    rise = (mel[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - mel[:, None]) / (edges[2:] - edges[1:-1])
    bank = np.maximum(0, np.minimum(rise, fall))
    return bank / np.maximum(bank.sum(axis=0), TINY)


@lru_cache(maxsize=1)
def _cosines() -> np.ndarray:
    """DCT-II (BANDS, CEPSTRA) without coefficient 0."""
    places = np.pi / BANDS * (np.arange(BANDS)[:, None] + 0.5) * np.arange(1, CEPSTRA + 1)
    return np.cos(places) / BANDS


def _pitch(frames: np.ndarray, places: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Height of the autocorrelation's peak in PITCH_HZ, and log2 of its frequency, (T,) each, of frames at places."""
    frame = frames.shape[1]
    first, last = int(rate / PITCH_HZ[1]), min(int(rate / PITCH_HZ[0]), frame - 2)
    size = _transform_size(frame + last + 1)  # long enough that no lag wraps around
    longer = frame / (frame - np.arange(first, last + 1))  # ratio of the frame to its overlap with itself at each lag
    heights, lags = np.empty(len(places)), np.empty(len(places), int)
    for at in range(0, len(places), BLOCK):
        some = frames[places[at : at + BLOCK]]
        some -= some.mean(axis=1, keepdims=True)
        correlation = np.fft.irfft(_power(np.fft.rfft(some, size, axis=1)), size, axis=1)
        normal = correlation[:, first : last + 1] * longer
        peaks = normal.argmax(axis=1)
        energy = correlation[:, 0]
        lags[at : at + BLOCK] = peaks
        heights[at : at + BLOCK] = normal[np.arange(len(peaks)), peaks] / np.where(energy > 0, energy, 1.0)
    return heights, np.log2(rate / (lags + first))


def _power(spectrum: np.ndarray) -> np.ndarray:
    """|spectrum|^2 of (n, K) complex; overwrites `spectrum`."""
    parts = spectrum.view(np.float64)
    np.square(parts, out=parts)
    return parts[:, ::2] + parts[:, 1::2]


@lru_cache(maxsize=8)
def _transform_size(least: int) -> int:
    """The next length whose only prime factors are 2, 3 and 5, for which FFTs are fast."""
    size = least
    while True:
        left = size
        for factor in (2, 3, 5):
            while left % factor == 0:
                left //= factor
        if left == 1:
            return size
        size += 1


def _modulation(loudness: np.ndarray) -> np.ndarray:
    """Log of the share of modulation power in each band between neighbouring MODULATION_HZ.

    Args:
        loudness: (T,) dB, a value every STEP_SECONDS.
    """
    window, edges = _modulation_bands(len(loudness))
    power = np.abs(np.fft.rfft((loudness - loudness.mean()) * window)) ** 2
    shares = np.array([power[edges[k] : edges[k + 1]].sum() for k in range(len(edges) - 1)])
    return np.log(shares / max(TINY, shares.sum()) + 1e-3)


@lru_cache(maxsize=8)
def _modulation_bands(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Window (count,), and the edges of the modulation bands as bins."""
    return np.hanning(count), np.searchsorted(np.fft.rfftfreq(count, STEP_SECONDS), MODULATION_HZ)
