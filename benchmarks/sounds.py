"""Synthetic sounds other than speech: music, noise, silence and tones of many kinds, all different.

`sound(kind, number)` is the same waveform each time. Nothing in the package is fitted on these sounds.
"""

from collections.abc import Callable

import numpy as np
import scipy.signal

from speech_emotion.randomness import generator

RATE = 16000  # Hz
SECONDS = (1.5, 6.0)
LEVELS = (-50.0, -10.0)  # RMS in dBFS

Make = Callable[[np.random.Generator, int], np.ndarray]


def sound(kind: str, number: int, seed: int = 0) -> np.ndarray:
    """Sound `number` of a kind: (n,) float32 at RATE, 1.5 to 6 s, at a random level."""
    group, make = KINDS[kind]
    random = generator(seed, "sound", kind, number)
    samples = make(random, int(random.uniform(*SECONDS) * RATE))
    if group == "silence":
        return samples.astype(np.float32)
    level = 10 ** (random.uniform(*LEVELS) / 20)
    samples = samples * level / max(1e-12, float(np.sqrt(np.mean(samples**2))))
    return np.clip(samples, -1, 1).astype(np.float32)


def _time(length: int) -> np.ndarray:
    return np.arange(length) / RATE


def _note(frequency: float, length: int, timbre: str, random: np.random.Generator) -> np.ndarray:
    """One note of an instrument-like timbre, with attack and decay."""
    t = _time(length)
    partials = int(min(16, 7500 // frequency)) or 1
    if timbre == "organ":
        harmonics = [(k, 1.0 / k) for k in (1, 2, 3, 4, 6, 8) if k <= partials]
        envelope = np.minimum(1, t / 0.02)
    elif timbre == "piano":
        harmonics = [(k * np.sqrt(1 + 0.0004 * k * k), 0.7**k) for k in range(1, partials + 1)]
        envelope = np.minimum(1, t / 0.004) * np.exp(-t * random.uniform(1.5, 4))
    elif timbre == "strings":
        harmonics = [(k, 1.0 / k) for k in range(1, partials + 1)]
        envelope = np.minimum(1, t / 0.12)
    elif timbre == "flute":
        harmonics = [(1, 1.0), (2, 0.25), (3, 0.08)][:partials]
        envelope = np.minimum(1, t / 0.05)
    else:  # plucked
        harmonics = [(k, 1.0 / k) for k in range(1, partials + 1)]
        envelope = np.exp(-t * random.uniform(3, 7))
    vibrato = 0.006 * np.sin(2 * np.pi * 5.5 * t) / 5.5 if timbre in ("strings", "flute") else 0.0
    tone = sum(a * np.sin(2 * np.pi * frequency * k * (t + vibrato) + random.uniform(0, 6.3)) for k, a in harmonics)
    if timbre == "flute":
        tone = tone + 0.02 * random.standard_normal(length)
    return tone * envelope * np.minimum(1, (length - np.arange(length)) / (0.01 * RATE))


TIMBRES = ("organ", "piano", "strings", "flute", "plucked")
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 6, 7, 10))


def _line(random: np.random.Generator, length: int, low: int, high: int, timbre: str, beat: float) -> np.ndarray:
    """A random walk through a scale, with notes of half a beat, one beat or two."""
    scale = SCALES[random.integers(len(SCALES))]
    notes = [octave * 12 + step for octave in range(2, 8) for step in scale if low <= octave * 12 + step <= high]
    place = int(random.integers(len(notes)))
    out, at = np.zeros(length), 0
    while at < length:
        hold = int(beat * random.choice([0.5, 0.5, 1, 1, 2]) * RATE)
        hold = min(hold, length - at)
        place = int(np.clip(place + random.integers(-2, 3), 0, len(notes) - 1))
        out[at : at + hold] += _note(440 * 2 ** ((notes[place] - 69 + 12) / 12), hold, timbre, random)
        at += hold
    return out


def _melody(random: np.random.Generator, length: int) -> np.ndarray:
    return _line(random, length, 43, 76, str(random.choice(TIMBRES)), random.uniform(0.25, 0.6))


def _chords(random: np.random.Generator, length: int) -> np.ndarray:
    timbre, beat = str(random.choice(TIMBRES)), int(random.uniform(0.4, 1.5) * RATE)
    out = np.zeros(length)
    for at in range(0, length, beat):
        root, hold = random.integers(43, 60), min(beat, length - at)
        for step in ((0, 4, 7), (0, 3, 7), (0, 4, 7, 10), (0, 5, 7))[random.integers(4)]:
            out[at : at + hold] += _note(440 * 2 ** ((root + step - 69) / 12), hold, timbre, random)
    return out


def _arpeggio(random: np.random.Generator, length: int) -> np.ndarray:
    timbre, beat = str(random.choice(TIMBRES)), int(random.uniform(0.08, 0.25) * RATE)
    chord = [random.integers(43, 60) + step for step in (0, 4, 7, 12, 16, 12, 7, 4)]
    out = np.zeros(length)
    for turn, at in enumerate(range(0, length, beat)):
        hold = min(beat, length - at)
        out[at : at + hold] += _note(440 * 2 ** ((chord[turn % 8] - 69) / 12), hold, timbre, random)
    return out


def _drums(random: np.random.Generator, length: int) -> np.ndarray:
    out, beat = np.zeros(length), int(random.uniform(0.2, 0.4) * RATE)
    for turn, at in enumerate(range(0, length, beat // 2)):
        hold = min(beat, length - at)
        t = _time(hold)
        if turn % 4 == 0:
            out[at : at + hold] += 1.5 * np.sin(2 * np.pi * (50 * t + 6 * (1 - np.exp(-t * 30)))) * np.exp(-t * 12)
        if turn % 4 == 2:
            out[at : at + hold] += (random.standard_normal(hold) + np.sin(2 * np.pi * 190 * t)) * np.exp(-t * 20)
        out[at : at + hold] += 0.3 * np.diff(random.standard_normal(hold + 1)) * np.exp(-t * 60)
    return out


def _band(random: np.random.Generator, length: int) -> np.ndarray:
    """Drums, a bass line, chords and a melody together."""
    beat = random.uniform(0.3, 0.6)
    bass = _line(random, length, 28, 45, "plucked", beat)
    tune = _line(random, length, 55, 79, str(random.choice(TIMBRES)), beat)
    parts = (_drums(random, length), bass, _chords(random, length), tune)
    return sum(random.uniform(0.4, 1) * part / np.sqrt(np.mean(part**2) + 1e-9) for part in parts)


def _coloured(random: np.random.Generator, length: int, slope: float) -> np.ndarray:
    """Noise whose power falls by `slope` times 3 dB per octave."""
    spectrum = np.fft.rfft(random.standard_normal(length))
    frequency = np.maximum(np.fft.rfftfreq(length, 1 / RATE), 20)
    return np.fft.irfft(spectrum / frequency ** (slope / 2), length)


def _traffic(random: np.random.Generator, length: int) -> np.ndarray:
    """Rumble of passing engines, and tyres."""
    t = _time(length)
    engine = sum(np.sin(2 * np.pi * k * (random.uniform(25, 60) * t + 0.6 * np.sin(t))) / k for k in range(1, 12))
    passing = 0.3 + np.exp(-((t - random.uniform(0, t[-1])) ** 2) / 2)
    return (_coloured(random, length, 2) * 40 + 0.4 * engine + 2 * _coloured(random, length, 1)) * passing


def _clicks(random: np.random.Generator, length: int) -> np.ndarray:
    out = 0.002 * random.standard_normal(length)
    at = random.integers(0, length, max(1, int(random.uniform(2, 30) * length / RATE)))
    out[at] += random.choice([-1, 1], len(at))
    b, a = scipy.signal.butter(2, [random.uniform(0.02, 0.2), random.uniform(0.3, 0.9)], "band")
    return scipy.signal.lfilter(b, a, out)


def _hum(random: np.random.Generator, length: int) -> np.ndarray:
    base, t = random.choice([50.0, 60.0]), _time(length)
    lines = sum(random.uniform(0.1, 1) * np.sin(2 * np.pi * base * k * t + k) / k for k in (1, 2, 3, 4, 5, 7, 9, 11))
    return lines + 0.02 * random.standard_normal(length)


def _rain(random: np.random.Generator, length: int) -> np.ndarray:
    drops = np.zeros(length)
    drops[random.integers(0, length, length // 60)] = random.exponential(1.0, length // 60)
    b, a = scipy.signal.butter(2, [0.1, 0.9], "band")
    return scipy.signal.lfilter(b, a, drops) + 0.05 * random.standard_normal(length)


def _pulsing(random: np.random.Generator, length: int) -> np.ndarray:
    """Noise modulated at 1 to 12 Hz, which includes the rates of syllables: a machine, a fan, a compressor."""
    swell = 1 + random.uniform(0.5, 1) * np.sin(2 * np.pi * random.uniform(1, 12) * _time(length))
    return _coloured(random, length, random.uniform(0, 2)) * swell


def _tone(random: np.random.Generator, length: int) -> np.ndarray:
    return np.sin(2 * np.pi * np.exp(random.uniform(np.log(60), np.log(7000))) * _time(length))


def _beeps(random: np.random.Generator, length: int) -> np.ndarray:
    t, rate = _time(length), random.uniform(1, 6)
    on = scipy.signal.square(2 * np.pi * rate * t, random.uniform(0.2, 0.8)) > 0
    return np.sin(2 * np.pi * random.uniform(300, 3000) * t) * on


def _square(random: np.random.Generator, length: int) -> np.ndarray:
    return scipy.signal.square(2 * np.pi * random.uniform(60, 2000) * _time(length))


def _sawtooth(random: np.random.Generator, length: int) -> np.ndarray:
    """A buzz with the pitch of a voice."""
    return scipy.signal.sawtooth(2 * np.pi * random.uniform(80, 300) * _time(length))


def _sweep(random: np.random.Generator, length: int) -> np.ndarray:
    t = _time(length)
    first, last = np.exp(random.uniform(np.log(80), np.log(7000), 2))
    return scipy.signal.chirp(t, first, t[-1], last, method="logarithmic")


def _siren(random: np.random.Generator, length: int) -> np.ndarray:
    t = _time(length)
    centre, depth, rate = random.uniform(500, 1500), random.uniform(100, 400), random.uniform(0.3, 4)
    return np.sin(2 * np.pi * centre * t - depth / rate * np.cos(2 * np.pi * rate * t))


def _dialling(random: np.random.Generator, length: int) -> np.ndarray:
    """DTMF digits (ITU-T Q.23)."""
    out, hold = np.zeros(length), int(random.uniform(0.06, 0.2) * RATE)
    for at in range(0, length - hold, 2 * hold):
        t = _time(hold)
        low, high = random.choice([697, 770, 852, 941]), random.choice([1209, 1336, 1477, 1633])
        out[at : at + hold] = np.sin(2 * np.pi * low * t) + np.sin(2 * np.pi * high * t)
    return out


def _digital(random: np.random.Generator, length: int) -> np.ndarray:
    return np.full(length, random.choice([0.0, 0.0, 0.01, -0.3]))  # some with an offset


def _room(random: np.random.Generator, length: int) -> np.ndarray:
    """A quiet room: noise at -75 to -50 dBFS with some mains hum."""
    noise = _coloured(random, length, random.uniform(0.5, 2))
    noise = noise / np.sqrt(np.mean(noise**2)) + random.uniform(0, 1) * np.sin(2 * np.pi * 50 * _time(length))
    return noise * 10 ** (random.uniform(-75, -50) / 20)


def _dither(random: np.random.Generator, length: int) -> np.ndarray:
    return np.round(random.standard_normal(length)) / 32768


def _choir(random: np.random.Generator, length: int) -> np.ndarray:
    """Sustained chords filtered by the formants of a vowel, with vibrato: music that is very close to voices."""
    chord = _chords_of(random, length, "strings")
    for centre in random.choice([[700, 1200, 2600], [400, 2000, 2800], [450, 800, 2500]]):
        b, a = scipy.signal.iirpeak(centre, 6, RATE)
        chord = chord + 4 * scipy.signal.lfilter(b, a, chord)
    return chord


def _chords_of(random: np.random.Generator, length: int, timbre: str) -> np.ndarray:
    root = random.integers(45, 60)
    return sum(_note(440 * 2 ** ((root + step - 69) / 12), length, timbre, random) for step in (0, 4, 7))


def _guitar(random: np.random.Generator, length: int) -> np.ndarray:
    """A melody through an overdriven amplifier."""
    tune = _line(random, length, 35, 60, "plucked", random.uniform(0.2, 0.5))
    return np.tanh(random.uniform(3, 20) * tune)


def _bells(random: np.random.Generator, length: int) -> np.ndarray:
    out, at = np.zeros(length), 0
    while at < length:
        t, base = _time(length - at), random.uniform(200, 900)
        for ratio in (0.56, 0.92, 1.19, 1.71, 2.0, 2.74, 3.0, 3.76):
            out[at:] += np.sin(2 * np.pi * base * ratio * t) * np.exp(-t * ratio * 1.5) / ratio
        at += int(random.uniform(0.3, 1.2) * RATE)
    return out


def _whistling(random: np.random.Generator, length: int) -> np.ndarray:
    """A whistled tune that glides from note to note, with breath."""
    knots = np.linspace(0, length, max(3, int(length / RATE * random.uniform(2, 5))))
    pitch = np.interp(np.arange(length), knots, random.uniform(800, 2200, len(knots)))
    breath = 0.05 * random.standard_normal(length)
    return np.sin(2 * np.pi * np.cumsum(pitch) / RATE) * (0.6 + 0.4 * np.sin(8 * _time(length))) + breath


def _birds(random: np.random.Generator, length: int) -> np.ndarray:
    out, at = 0.01 * _coloured(random, length, 1), 0
    while at < length:
        hold = min(int(random.uniform(0.05, 0.2) * RATE), length - at)
        t = _time(hold)
        first, last = random.uniform(2500, 6500, 2)
        out[at : at + hold] += np.sin(2 * np.pi * (first * t + (last - first) * t**2 / 0.3)) * np.hanning(hold)
        at += int(random.uniform(0.08, 0.6) * RATE)
    return out


def _applause(random: np.random.Generator, length: int) -> np.ndarray:
    claps = np.zeros(length)
    at = random.integers(0, length, int(length / RATE * random.uniform(20, 200)))
    claps[at] += random.standard_normal(len(at))
    burst = random.standard_normal(400) * np.exp(-np.arange(400) / 60)
    return np.convolve(claps, burst)[:length] + 0.02 * random.standard_normal(length)


def _typing(random: np.random.Generator, length: int) -> np.ndarray:
    keys, at = np.zeros(length), 0
    while at < length:
        hold = min(500, length - at)
        keys[at : at + hold] += random.uniform(0.3, 1) * random.standard_normal(hold) * np.exp(-np.arange(hold) / 50)
        at += int(random.uniform(0.06, 0.4) * RATE)
    return keys + 0.01 * _coloured(random, length, 1)


def _wind(random: np.random.Generator, length: int) -> np.ndarray:
    """Noise through a resonance, in gusts."""
    knots = np.linspace(0, length, max(4, int(3 * length / RATE)))
    gusts = np.interp(np.arange(length), knots, random.uniform(0.1, 1, len(knots)))
    b, a = scipy.signal.iirpeak(random.uniform(200, 900), random.uniform(1, 4), RATE)
    return scipy.signal.lfilter(b, a, _coloured(random, length, 1)) * gusts


def _engine(random: np.random.Generator, length: int) -> np.ndarray:
    """An engine that speeds up and slows down: many harmonics of 20 to 120 Hz, and its noise."""
    knots = np.linspace(0, length, 4)
    speed = np.interp(np.arange(length), knots, random.uniform(20, 120, 4))
    phase = 2 * np.pi * np.cumsum(speed) / RATE
    return sum(np.sin(k * phase + k * k) / k**0.7 for k in range(1, 25)) + 20 * _coloured(random, length, 1)


def _phone(random: np.random.Generator, length: int) -> np.ndarray:
    """Ringing: two tones that warble, on and off."""
    t = _time(length)
    warble = np.where(scipy.signal.square(2 * np.pi * random.uniform(10, 25) * t) > 0, 1.0, 1.25)
    on = (t % random.uniform(1.5, 3)) < 1
    return np.sin(2 * np.pi * np.cumsum(random.uniform(500, 1500) * warble) / RATE) * on


def _modem(random: np.random.Generator, length: int) -> np.ndarray:
    """Frequency-shift keying at 300 baud (Bell 103)."""
    bits = np.repeat(random.integers(0, 2, length // 53 + 1), 53)[:length]
    return np.sin(2 * np.pi * np.cumsum(np.where(bits, 1270.0, 1070.0)) / RATE)


KINDS: dict[str, tuple[str, Make]] = {
    "melody": ("music", _melody),
    "chords": ("music", _chords),
    "arpeggio": ("music", _arpeggio),
    "drums": ("music", _drums),
    "band": ("music", _band),
    "white": ("noise", lambda random, length: random.standard_normal(length)),
    "pink": ("noise", lambda random, length: _coloured(random, length, 1)),
    "brown": ("noise", lambda random, length: _coloured(random, length, 2)),
    "traffic": ("noise", _traffic),
    "clicks": ("noise", _clicks),
    "hum": ("noise", _hum),
    "rain": ("noise", _rain),
    "pulsing": ("noise", _pulsing),
    "digital": ("silence", _digital),
    "room": ("silence", _room),
    "dither": ("silence", _dither),
    "sine": ("tones", _tone),
    "beeps": ("tones", _beeps),
    "square": ("tones", _square),
    "sawtooth": ("tones", _sawtooth),
    "sweep": ("tones", _sweep),
    "siren": ("tones", _siren),
    "dialling": ("tones", _dialling),
    # these were added after measures and threshold had been chosen with the ones above
    "choir": ("music", _choir),
    "guitar": ("music", _guitar),
    "bells": ("music", _bells),
    "whistling": ("music", _whistling),
    "birds": ("noise", _birds),
    "applause": ("noise", _applause),
    "typing": ("noise", _typing),
    "wind": ("noise", _wind),
    "engine": ("noise", _engine),
    "phone": ("tones", _phone),
    "modem": ("tones", _modem),
}
GROUPS = ("music", "noise", "silence", "tones")
