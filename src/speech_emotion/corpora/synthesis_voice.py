"""A source-filter voice: glottal pulses and noise, shaped by the resonances of a vocal tract.

Follows the cascade synthesiser of Klatt (1980, "Software for a cascade/parallel formant synthesizer", JASA 67) with
the glottal source of Klatt and Klatt (1990, "Analysis, synthesis, and perception of voice quality variations", JASA 87,
KLGLOTT88).

Everything is float64 and continuous in its inputs, so that a last-bit difference between processors stays far below one
step of the 16-bit samples.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter, sosfilt

SAMPLE_RATE = 16000  # Hz
FRAME = 80  # samples per setting of the vocal tract: 5 ms
FRAMES_PER_SECOND = SAMPLE_RATE // FRAME
HIGHEST_HZ = 7600.0  # resonances stay below half the sample rate
FRICATION = 1.4  # RMS level of noise at a constriction, relative to the rest of the utterance
DARK = 0.75  # pole of the one-pole low-pass filter for soft voices: about 700 Hz


@dataclass(frozen=True)
class Sound:
    """One speech sound of an adult male vocal tract.

    Attributes:
        formants: F1, F2, F3 in Hz.
        seconds: length at the neutral speaking rate.
        voicing: amplitude of the glottal source, 0 to 1.
        aspiration: amplitude of noise at the glottis, 0 to 1.
        frication: amplitude of noise at a constriction, 0 to 1.
        band: centre and bandwidth of that noise in Hz.
        damping: factor on the formants' bandwidths (nasals and closures lose more energy).
    """

    formants: tuple[float, float, float]
    seconds: float
    voicing: float = 0.0
    aspiration: float = 0.0
    frication: float = 0.0
    band: tuple[float, float] = (0.0, 0.0)
    damping: float = 1.0


# Vowels: means of adult male talkers (Peterson and Barney 1952). Consonants: after the tables of Klatt (1980).
VOWELS = {
    "a": Sound((730, 1200, 2500), 0.105, voicing=1.0),
    "e": Sound((470, 1950, 2550), 0.095, voicing=0.9),
    "i": Sound((290, 2250, 2950), 0.085, voicing=0.8),
    "o": Sound((480, 880, 2450), 0.100, voicing=0.9),
    "u": Sound((310, 820, 2250), 0.085, voicing=0.8),
}
CENTRAL = (500.0, 1450.0, 2500.0)  # formants of the vowel that reduced vowels move towards, Hz

_LABIAL, _ALVEOLAR, _VELAR = (250, 850, 2150), (280, 1700, 2600), (270, 1850, 2250)
CONSONANTS = {
    "m": (Sound((270, 1000, 2150), 0.065, voicing=0.45, damping=2.2),),
    "n": (Sound((270, 1500, 2500), 0.060, voicing=0.45, damping=2.2),),
    "l": (Sound((350, 1100, 2650), 0.055, voicing=0.55, damping=1.3),),
    "r": (Sound((420, 1250, 1750), 0.050, voicing=0.50, aspiration=0.05, damping=1.4),),
    "v": (Sound((290, 1050, 2250), 0.060, voicing=0.35, frication=0.05, band=(4200, 3500), damping=1.5),),
    "f": (Sound((320, 1050, 2250), 0.085, frication=0.16, band=(4800, 4000), damping=1.5),),
    "s": (Sound((320, 1600, 2650), 0.090, frication=0.34, band=(5900, 1700), damping=1.5),),
    "S": (Sound((320, 1750, 2550), 0.090, frication=0.36, band=(3100, 1300), damping=1.5),),
    "b": (
        Sound(_LABIAL, 0.050, voicing=0.12, damping=2.5),
        Sound(_LABIAL, 0.010, voicing=0.3, frication=0.20, band=(1000, 1200)),
    ),
    "d": (
        Sound(_ALVEOLAR, 0.045, voicing=0.12, damping=2.5),
        Sound(_ALVEOLAR, 0.010, voicing=0.3, frication=0.28, band=(4000, 2500)),
    ),
    "g": (
        Sound(_VELAR, 0.050, voicing=0.12, damping=2.5),
        Sound(_VELAR, 0.015, voicing=0.3, frication=0.26, band=(2000, 900)),
    ),
    "p": (
        Sound(_LABIAL, 0.065, damping=2.5),
        Sound(_LABIAL, 0.010, frication=0.30, band=(1000, 1200)),
        Sound((450, 1150, 2350), 0.025, aspiration=0.30),
    ),
    "t": (
        Sound(_ALVEOLAR, 0.060, damping=2.5),
        Sound(_ALVEOLAR, 0.015, frication=0.40, band=(4300, 2500)),
        Sound((400, 1700, 2600), 0.030, aspiration=0.30),
    ),
    "k": (
        Sound(_VELAR, 0.060, damping=2.5),
        Sound(_VELAR, 0.020, frication=0.38, band=(2100, 900)),
        Sound((400, 1700, 2400), 0.035, aspiration=0.30),
    ),
}  # fmt: skip
SILENCE = Sound(CENTRAL, 0.1)
BANDS = sorted({sound.band for sounds in CONSONANTS.values() for sound in sounds if sound.frication})


@dataclass(frozen=True)
class Tracks:
    """The voice's parameters in T frames of FRAME samples each.

    Attributes:
        f0: (T,) fundamental frequency in Hz.
        voicing: (T,) amplitude of the glottal source.
        aspiration: (T,) amplitude of noise at the glottis, relative to the glottal source.
        frication: band -> (T,) amplitude of noise at a constriction.
        formants: (T, K) resonances in Hz.
        bandwidths: (T, K) in Hz.
        open_quotient: (T,) share of a period in which the glottis is open, 0 to 1.
        tilt: (T,) loss at high frequencies in dB, at least 0.
        jitter: s.d. of a period's length, relative.
        shimmer: s.d. of a pulse's amplitude in dB.
        creak: how much weaker and later every second pulse is, 0 to 1.
    """

    f0: np.ndarray
    voicing: np.ndarray
    aspiration: np.ndarray
    frication: dict[tuple[float, float], np.ndarray]
    formants: np.ndarray
    bandwidths: np.ndarray
    open_quotient: np.ndarray
    tilt: np.ndarray
    jitter: float
    shimmer: float
    creak: float


def smooth(track: np.ndarray, seconds: float) -> np.ndarray:
    """Applies a moving average over `seconds` twice (a triangular window); edge values are repeated.

    Shapes: (T,) or (T, K) to the same shape.
    """
    half = round(seconds * FRAMES_PER_SECOND / 2)
    for _ in range(2 if half else 0):
        padded = np.concatenate([np.repeat(track[:1], half + 1, 0), track, np.repeat(track[-1:], half, 0)])
        sums = np.cumsum(padded, axis=0)
        track = (sums[2 * half + 1 :] - sums[: -2 * half - 1]) / (2 * half + 1)
    return track


def per_sample(track: np.ndarray) -> np.ndarray:
    """Interpolates linearly from (T,) values at frame centres to (T * FRAME,) values at samples."""
    frames = np.arange(len(track))
    return np.interp(np.arange(len(track) * FRAME), frames * FRAME + FRAME / 2, track)


def glottal_source(tracks: Tracks, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Returns the derivative of the air flow through the glottis, and the flow itself.

    KLGLOTT88 (Klatt and Klatt 1990): within a period's open part, x from 0 to 1, the flow is 27/4 (x^2 - x^3). The
    derivative is the difference of the flow between samples, which avoids the worst aliasing at closure.

    Returns:
        Two arrays of T * FRAME samples: derivative (rms near 0.5) and flow (0 to 1).
    """
    f0, open_quotient = per_sample(tracks.f0), per_sample(tracks.open_quotient)
    cycle = np.floor(np.cumsum(f0) / SAMPLE_RATE).astype(int)
    count = cycle[-1] + 1
    odd = np.arange(count) % 2
    lengths = 1 + tracks.jitter * random.standard_normal(count) + 0.12 * tracks.creak * (odd - 0.5)
    strengths = 10 ** (tracks.shimmer * random.standard_normal(count) / 20) * (1 - 0.5 * tracks.creak * odd)
    phase = np.cumsum(f0 * lengths[cycle]) / SAMPLE_RATE
    period = np.minimum(np.floor(phase).astype(int), count - 1)
    x = np.minimum((phase - np.floor(phase)) / open_quotient, 1.0)
    flow = 6.75 * (x * x - x * x * x) * strengths[period]
    derivative = np.diff(flow, prepend=0.0) * SAMPLE_RATE / (2 * np.pi * f0)
    return derivative, flow


def resonances(frequencies: np.ndarray, bandwidths: np.ndarray) -> np.ndarray:
    """Returns second-order sections of a cascade of resonators with unit gain at 0 Hz (Klatt 1980, equation 2).

    Args:
        frequencies: (T, K) in Hz.
        bandwidths: (T, K) in Hz.

    Returns:
        (T, K, 6) coefficients b0 b1 b2 a0 a1 a2.
    """
    frequencies = np.minimum(frequencies, HIGHEST_HZ)
    radius = np.exp(-np.pi * bandwidths / SAMPLE_RATE)
    a1 = -2 * radius * np.cos(2 * np.pi * frequencies / SAMPLE_RATE)
    a2 = radius * radius
    zero, one = np.zeros_like(a1), np.ones_like(a1)
    return np.stack([1 + a1 + a2, zero, zero, one, a1, a2], axis=-1)


def band_noise(centre: float, bandwidth: float, noise: np.ndarray) -> np.ndarray:
    """Filters noise with one resonator with zeros at 0 Hz and half the sample rate, and unit gain at its centre."""
    radius = np.exp(-np.pi * bandwidth / SAMPLE_RATE)
    cosine = np.cos(2 * np.pi * min(centre, HIGHEST_HZ) / SAMPLE_RATE)
    gain = (1 - radius * radius) / 2
    return lfilter([gain, 0.0, -gain], [1.0, -2 * radius * cosine, radius * radius], noise)


def speak(tracks: Tracks, random: np.random.Generator) -> np.ndarray:
    """Synthesises the sound pressure of a voice.

    Args:
        tracks: T frames.
        random: draws jitter, shimmer and noise.

    Returns:
        (T * FRAME,) samples, float64; the level is arbitrary.
    """
    pulses, flow = glottal_source(tracks, random)
    bright = 10 ** (-per_sample(tracks.tilt) / 20)
    dark = lfilter([1 - DARK], [1.0, -DARK], pulses)
    voiced = per_sample(tracks.voicing) * (bright * pulses + (1 - bright) * dark)
    breath = per_sample(tracks.aspiration) * (0.3 + 0.7 * flow) * random.standard_normal(len(pulses))
    source = (voiced + breath).reshape(-1, FRAME)

    speech = _cascade(resonances(tracks.formants, tracks.bandwidths), source).reshape(-1)
    speech /= np.sqrt(np.mean(speech * speech))

    noise = FRICATION * random.standard_normal(len(speech))
    for (centre, bandwidth), amplitude in tracks.frication.items():
        speech = speech + band_noise(centre, bandwidth, per_sample(amplitude) * noise)
    return speech


def _cascade(sections: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Applies cascaded resonators whose coefficients change every frame: (T, K, 6) and (T, FRAME) to (T, FRAME).

    Each resonator carries its last two outputs over to the next frame, as Klatt's do. The state of sosfilt holds
    products of outputs and coefficients instead, -a1 y[n] - a2 y[n-1] and -a2 y[n]. They are converted to the next
    frame's coefficients; otherwise every movement of a formant would click.
    """
    a1, a2 = sections[..., 4], sections[..., 5]
    ratio = a2[1:] / a2[:-1]
    mixed = (a1[1:] - ratio * a1[:-1]) / a2[:-1]
    state = np.zeros((sections.shape[1], 2))
    speech = np.empty_like(source)
    for frame in range(len(source)):
        if frame:
            r, m = ratio[frame - 1], mixed[frame - 1]
            state = np.stack([r * state[:, 0] + m * state[:, 1], r * state[:, 1]], axis=-1)
        speech[frame], state = sosfilt(sections[frame], source[frame], zi=state)
    return speech
