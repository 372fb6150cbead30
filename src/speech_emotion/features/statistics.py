"""Statistics of an utterance over frame-wise features: one vector, for classifiers that do not model time.

The set follows ComParE (Schuller et al., Interspeech 2013) and eGeMAPS (Eyben et al., IEEE TAC 2016): functionals of
every contour, over all frames and over the voiced ones; pitch in semitones; lengths of voiced and loud stretches;
changes of pitch and intensity from frame to frame; the balance of the spectrum; the rhythm of the energy.
"""

import itertools
from collections.abc import Mapping

import numpy as np

from speech_emotion.compiled import librosa
from speech_emotion.features.functionals import functionals
from speech_emotion.params import Feature

SEMITONE_ZERO_HZ = 27.5  # F0 is in semitones above this, as in eGeMAPS
LOUD_DB = 25.0  # a frame is loud if it is at most this much below the 99th percentile of the energy
RHYTHM_HZ = (
    0.5,
    1.0,
    2.0,
    4.0,
    8.0,
    16.0,
    32.0,
)  # edges of the bands of the energy's modulation; syllables are in 2..8
RHYTHM_N_FFT = 1024
DB_PER_NEPER = 10 / np.log(10)  # front-end energies are natural logarithms of power
POWER_FLOOR = 1e-10


def statistics(parts: Mapping[str, np.ndarray], features: Mapping[str, Feature], sample_rate: int) -> dict[str, float]:
    """All statistics of one utterance.

    Args:
        parts: feature name -> its array: (frames, dims), or (1,) for speech rate.
        features: the definitions.
        sample_rate: Hz.

    Returns:
        name, such as `mfcc-20[3].p80`, -> value, always finite. Names and their order depend only on the definitions.
    """
    pitch = next((name for name in parts if features[name].kind == "f0"), None)
    found: dict[str, float] = {}
    for name, values in parts.items():
        feature = features[name]
        if feature.kind == "speech-rate":
            found[name] = float(values[0])
            continue
        values = np.asarray(values, dtype=np.float64)
        hop = feature.hop / sample_rate
        static = values[:, : values.shape[1] // (1 + feature.deltas)]  # without derivatives
        voiced = _voiced(feature, len(values), features[pitch], parts[pitch]) if pitch else None
        if feature.kind == "f0":
            found |= _pitch(name, static[:, 0], hop)
        elif feature.kind == "formants":
            found |= _formants(name, static, voiced, hop)
        else:
            found |= _contours(name, values, voiced, hop)
        if feature.kind in ("mspec", "spectrogram"):
            balance = _balance(static, feature, sample_rate)
            values = np.stack(list(balance.values()), axis=1)
            found |= _contours(name, values, voiced, hop, tuple(balance))
        if feature.kind == "energy":
            found |= _dynamics(name, static[:, 0] * DB_PER_NEPER, voiced, hop)
    return found


def _voiced(feature: Feature, frames: int, pitch: Feature, f0: np.ndarray) -> np.ndarray:
    """Which frames of a feature are voiced: those whose nearest frame of pitch, by its centre, is voiced."""
    centres = np.arange(frames) * feature.hop + feature.frame / 2
    nearest = np.round((centres - pitch.frame / 2) / pitch.hop).astype(int)
    return f0[np.clip(nearest, 0, len(f0) - 1), 0] > 0


def _contours(
    name: str,
    values: np.ndarray,
    voiced: np.ndarray | None,
    hop: float,
    labels: tuple[str, ...] | None = None,
) -> dict[str, float]:
    """Functionals of each dimension over all frames and, if voicing is known, over the voiced ones."""
    dims = [f"{name}.{label}" for label in labels or ()] or [f"{name}[{n}]" for n in range(values.shape[1])]
    found = _named(dims, functionals(values, hop))
    if voiced is not None:
        found |= _named([f"{dim}.voiced" for dim in dims], functionals(values[voiced], hop))
    return found


def _formants(name: str, values: np.ndarray, voiced: np.ndarray | None, hop: float) -> dict[str, float]:
    """Functionals of each formant over the frames (if voicing is known, the voiced ones) in which it was found."""
    found: dict[str, float] = {}
    for n, contour in enumerate(values.T):
        present = (contour > 0) if voiced is None else (contour > 0) & voiced
        found |= _named([f"{name}[{n}]"], functionals(contour[present, np.newaxis], hop))
    return found


def _pitch(name: str, f0: np.ndarray, hop: float) -> dict[str, float]:
    """Functionals of the voiced frames in semitones; shares and lengths of voiced stretches; changes within them."""
    voiced = f0 > 0
    semitones = 12 * np.log2(np.where(voiced, f0, SEMITONE_ZERO_HZ) / SEMITONE_ZERO_HZ)
    steps = np.diff(semitones)[voiced[1:] & voiced[:-1]]
    return {
        **_named([f"{name}.semitones"], functionals(semitones[voiced, np.newaxis], hop)),
        f"{name}.voiced.share": float(voiced.mean()),
        f"{name}.voiced.a-second": _stretches(voiced).size / (len(voiced) * hop),
        **_summary(f"{name}.voiced.seconds", _stretches(voiced) * hop),
        **_summary(f"{name}.unvoiced.seconds", _stretches(~voiced) * hop),
        **_summary(f"{name}.rise", steps[steps > 0] / hop),
        **_summary(f"{name}.fall", steps[steps < 0] / hop),
        **_summary(f"{name}.jitter", np.abs(2 ** (steps / 12) - 1)),
    }


def _dynamics(name: str, decibels: np.ndarray, voiced: np.ndarray | None, hop: float) -> dict[str, float]:
    """Shares and lengths of loud stretches; rises, falls, shimmer; the rhythm of the energy contour."""
    loud = decibels > np.percentile(decibels, 99) - LOUD_DB
    steps = np.diff(decibels)
    within = np.ones(len(steps), dtype=bool) if voiced is None else voiced[1:] & voiced[:-1]
    contour = (decibels - decibels.mean()) * np.hanning(len(decibels))
    power = np.abs(np.fft.rfft(contour, n=max(RHYTHM_N_FFT, len(contour)))) ** 2
    frequency = np.fft.rfftfreq(max(RHYTHM_N_FFT, len(contour)), hop)
    rhythm = {
        f"{name}.rhythm.{low:g}-{high:g}-hz": float(
            power[(frequency >= low) & (frequency < high)].sum() / max(power.sum(), POWER_FLOOR)
        )
        for low, high in itertools.pairwise(RHYTHM_HZ)
    }
    return {
        f"{name}.loud.share": float(loud.mean()),
        f"{name}.loud.a-second": _stretches(loud).size / (len(loud) * hop),
        **_summary(f"{name}.loud.seconds", _stretches(loud) * hop),
        **_summary(f"{name}.shimmer", np.abs(steps[within])),
        **_summary(f"{name}.rise", steps[steps > 0] / hop),
        **_summary(f"{name}.fall", steps[steps < 0] / hop),
        **rhythm,
    }


def _balance(values: np.ndarray, feature: Feature, sample_rate: int) -> dict[str, np.ndarray]:
    """Contours (frames,) of the spectrum's shape from band energies (frames, bands), following eGeMAPS.

    Alpha ratio: 50..1000 Hz over 1..5 kHz, dB. Hammarberg index: peak below 2 kHz over peak in 2..5 kHz, dB. Slopes:
    dB per kHz. Centroid and spread: kHz. Flux: distance of the bands' logarithms from those of the previous frame.
    Crest: peak over mean, dB.
    """
    centres, widths = _bands(feature, sample_rate)  # kHz
    power = np.maximum(values if feature.log is False else np.exp(values), POWER_FLOOR)
    energy = power * widths  # the front-end's bands are means
    decibels = 10 * np.log10(power)

    def between(low: float, high: float) -> np.ndarray:
        return (centres >= low) & (centres < high)

    def level(low: float, high: float) -> np.ndarray:
        return 10 * np.log10(np.maximum(energy[:, between(low, high)].sum(axis=1), POWER_FLOOR))

    def peak(low: float, high: float) -> np.ndarray:
        return decibels[:, between(low, high)].max(axis=1, initial=10 * np.log10(POWER_FLOOR))

    def slope(low: float, high: float) -> np.ndarray:
        chosen = between(low, high)
        offsets = centres[chosen] - centres[chosen].mean() if chosen.sum() > 1 else np.zeros(chosen.sum())
        return decibels[:, chosen] @ offsets / max(offsets @ offsets, POWER_FLOOR)

    centroid = energy @ centres / energy.sum(axis=1)
    spread = energy @ centres**2 / energy.sum(axis=1) - centroid**2
    steps = np.diff(np.log(power), axis=0, prepend=np.log(power[:1]))
    return {
        "alpha-ratio": level(0.05, 1.0) - level(1.0, 5.0),
        "hammarberg": peak(0.0, 2.0) - peak(2.0, 5.0),
        "slope-0-500": slope(0.0, 0.5),
        "slope-500-1500": slope(0.5, 1.5),
        "centroid": centroid,
        "spread": np.sqrt(np.maximum(spread, 0.0)),
        "flux": np.sqrt(np.sum(steps**2, axis=1)),
        "crest": decibels.max(axis=1) - decibels.mean(axis=1),
    }


def _bands(feature: Feature, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres and widths of a front-end's bands, kHz."""
    if feature.kind == "spectrogram":
        width = feature.top(sample_rate) / 1000 / feature.n_bands
        return (np.arange(feature.n_bands) + 0.5) * width, np.full(feature.n_bands, width)
    edges = librosa().mel_frequencies(feature.n_mels + 2, fmin=0.0, fmax=feature.top(sample_rate)) / 1000
    return edges[1:-1], (edges[2:] - edges[:-2]) / 2


def _stretches(mask: np.ndarray) -> np.ndarray:
    """Lengths of the runs of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return edges[1::2] - edges[::2]


def _summary(name: str, values: np.ndarray) -> dict[str, float]:
    """Mean, standard deviation and the value of largest magnitude; 0 if there are no values."""
    values = values if values.size else np.zeros(1)
    largest = values[np.argmax(np.abs(values))]
    return {f"{name}.mean": float(values.mean()), f"{name}.std": float(values.std()), f"{name}.most": float(largest)}


def _named(dims: list[str], found: dict[str, np.ndarray]) -> dict[str, float]:
    """One entry for each functional of each dimension."""
    return {
        f"{dim}.{name}": value
        for name, values in found.items()
        for dim, value in zip(dims, values.tolist(), strict=True)
    }
