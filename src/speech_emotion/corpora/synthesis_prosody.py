"""How the synthetic speakers express emotions: a table of acoustic cues, and each speaker's variation of it.

Directions and rough sizes follow the literature where it agrees: Banse and Scherer (1996, "Acoustic profiles
in vocal emotion expression", JPSP 70) and Scherer (2003, "Vocal communication of emotion", Speech Communication
40) for pitch, energy, rate and the share of high frequencies; Murray and Arnott (1993, "Toward the simulation of
emotion in synthetic speech", JASA 93) for pitch changes, articulation and voice quality; Burkhardt and Sendlmeier
(2000, "Verification of acoustical correlates of emotional speech using formant-synthesis", ISCA workshop on speech
and emotion) for phonation, lip spreading and precision.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from speech_emotion.corpora.synthesis_voice import (
    BANDS,
    CENTRAL,
    CONSONANTS,
    FRAMES_PER_SECOND,
    SILENCE,
    VOWELS,
    Sound,
    Tracks,
    smooth,
)

EMOTIONS = ("anger", "boredom", "disgust", "fear", "happiness", "sadness", "neutral")

# For each cue: its value in neutral speech, the change for each emotion at full strength, and the standard deviations
# between speakers and between utterances of one speaker and emotion. log2: the value is log2 of a factor.
#
# pitch: mean F0, semitones. span: size of F0 movements, log2. slope: F0 over an utterance, semitones. ending: F0 of
# the last syllable, semitones. peak: place of an accent's peak in its syllable, 0 to 1. rate: syllables a second, log2.
# pauses: their length, log2. irregular: s.d. of a syllable's length, log2. energy: level, dB. emphasis: stressed over
# unstressed syllables, dB. open_quotient: share of a period. tilt: loss at high frequencies, dB. breath: aspiration
# over voicing, dB. jitter: relative. shimmer: dB. creak: 0 to 1. tremor: F0 at 5 to 7 Hz, semitones. lips: F1 and F2,
# log2, spread above 0. precision: distance of vowels from a central one, log2.
CUES = {
    # cue             neutral  anger boredom disgust fear happiness sadness  speakers, utterances
    "pitch":         (0.0,   ( 4.0,   -2.0,  -1.0,   8.0,   5.0,   -1.0),   0.0,   0.7),
    "span":          (0.0,   ( 0.8,   -1.2,   0.4,  -0.2,   1.1,   -0.9),   0.15,  0.17),
    "slope":         (-3.0,  (-1.5,    1.0,  -2.0,   2.0,   0.5,   -1.5),   0.4,   0.6),
    "ending":        (-2.0,  (-2.5,    0.5,  -3.5,   2.5,   4.0,   -1.0),   0.4,   0.7),
    "peak":          (0.45,  (-0.22,   0.0,   0.05,  0.0,   0.25,   0.05),  0.03,  0.04),
    "rate":          (0.0,   ( 0.15,  -0.32, -0.42,  0.40,  0.12,  -0.45),  0.05,  0.06),
    "pauses":        (0.0,   (-0.4,    0.4,   0.6,  -0.2,  -0.3,    0.9),   0.15,  0.2),
    "irregular":     (0.10,  ( 0.0,   -0.03,  0.04,  0.12,  0.04,   0.02),  0.01,  0.02),
    "energy":        (0.0,   ( 7.5,   -2.0,   0.5,  -0.5,   4.5,   -6.0),   1.2,   1.2),
    "emphasis":      (2.5,   ( 2.5,   -1.5,   1.5,   0.0,   1.0,   -1.2),   0.3,   0.4),
    "open_quotient": (0.60,  (-0.16,   0.03, -0.10,  0.06, -0.03,   0.16),  0.03,  0.02),
    "tilt":          (8.0,   (-6.5,    3.0,  -1.0,  -1.0,  -3.0,    7.0),   1.2,   1.0),
    "breath":        (-26.0, (-2.0,    0.0,   1.0,   8.5,   1.0,    8.0),   1.2,   1.0),
    "jitter":        (0.008, ( 0.008,  0.001, 0.010, 0.014, 0.0,    0.004), 0.001, 0.002),
    "shimmer":       (0.40,  ( 0.50,   0.10,  0.60,  0.60,  0.0,    0.20),  0.05,  0.08),
    "creak":         (0.05,  ( 0.0,    0.25,  0.60,  0.0,   0.0,    0.05),  0.04,  0.07),
    "tremor":        (0.10,  ( 0.0,    0.0,   0.0,   0.50,  0.0,    0.25),  0.03,  0.07),
    "lips":          (0.0,   ( 0.02,  -0.03, -0.05,  0.03,  0.14,  -0.07),  0.01,  0.013),
    "precision":     (0.0,   ( 0.20,  -0.40,  0.0,   0.10,  0.05,  -0.45),  0.05,  0.06),
}  # fmt: skip
LIMITS = {  # range of each cue that a voice can produce
    "open_quotient": (0.35, 0.9),
    "tilt": (0.0, 26.0),
    "irregular": (0.0, 0.4),
    "jitter": (0.002, 0.06),
    "shimmer": (0.1, 2.0),
    "creak": (0.0, 0.8),
    "tremor": (0.0, 1.0),
    "peak": (0.15, 0.85),
    "precision": (-0.8, 0.3),
}
NEIGHBOURS = {  # emotion mixed into a portrayal: listeners' confusions (Banse and Scherer 1996; Scherer 2003)
    "anger": "happiness",
    "boredom": "sadness",
    "disgust": "boredom",
    "fear": "happiness",
    "happiness": "anger",
    "sadness": "boredom",
    "neutral": "boredom",
}
LEAN = (0.0, 0.15)  # range of the neighbour's share in a portrayal
SKILL = (0.9, 1.15)  # range of how strongly a speaker expresses an emotion
CUE_USE = 0.18  # s.d. of how much a speaker uses a cue for an emotion, around 1
WEAK = 0.07  # share of weak portrayals
WEAK_STRENGTH = (0.3, 0.6)  # range of their strength
STRENGTH = 0.12  # s.d. of the strength of the others

ACCENT = 3.2  # height of an accent in neutral speech, semitones
DRIFT = 0.35  # s.d. of the slow drift of F0, semitones
DRIFT_SECONDS = 0.12
PAUSE = 0.16  # seconds between phrases in neutral speech
MARGINS = (0.06, 0.12)  # seconds of silence before and after
FINAL_LENGTHENING = 1.35
STRESSED, UNSTRESSED = 1.25, 0.92  # factors on a syllable's length
FADING = 3.0  # dB from the first to the last syllable
FORMANT_SECONDS, F0_SECONDS, AMPLITUDE_SECONDS, LEVEL_SECONDS = 0.045, 0.04, 0.015, 0.06  # widths of transitions
BANDWIDTHS = (100.0, 100.0, 140.0, 200.0, 260.0, 320.0)  # Hz
HIGH_FORMANTS = (3500.0, 4500.0, 5500.0)  # F4 to F6 of an adult male, Hz

Expression = Mapping[str, float]


@dataclass(frozen=True)
class Syllable:
    """One syllable of a text: its phonemes, whether it is stressed, and whether it ends a phrase."""

    phonemes: str
    stressed: bool
    final: bool


def parse_text(text: str) -> list[Syllable]:
    """Parses a text such as "ba 'di mo | na": an apostrophe marks stress, a bar separates phrases.

    Raises:
        ValueError: a letter is not a phoneme.
    """
    syllables = []
    for phrase in text.split("|"):
        words = phrase.split()
        for word in words:
            phonemes = word.removeprefix("'")
            if unknown := set(phonemes) - set(VOWELS) - set(CONSONANTS):
                raise ValueError(f"text = {text}: phonemes {sorted(unknown)} are not known")
            syllables.append(Syllable(phonemes, word.startswith("'"), word is words[-1]))
    return syllables


def habits(random: np.random.Generator) -> dict[str, float]:
    """Draws how a speaker's neutral speech differs from the average: an offset for each cue."""
    return {cue: row[2] * random.standard_normal() for cue, row in CUES.items()}


def manner(random: np.random.Generator) -> dict[str, float]:
    """Draws how strongly a speaker uses each cue of CUES for one emotion: a factor for each."""
    skill = random.uniform(*SKILL)
    return {cue: skill * max(0.0, 1 + CUE_USE * random.standard_normal()) for cue in CUES}


def portray(
    emotion: str, habits: Mapping[str, float], manner: Mapping[str, float], random: np.random.Generator
) -> dict[str, float]:
    """Draws one portrayal of an emotion: a value for each cue of CUES, within LIMITS.

    Args:
        emotion: one of EMOTIONS.
        habits: the speaker's offsets.
        manner: the speaker's factors for this emotion.
        random: draws the strength, the share of the neighbouring emotion, and the variation of each cue.
    """
    weak = random.random() < WEAK
    strength = random.uniform(*WEAK_STRENGTH) if weak else 1 + STRENGTH * random.standard_normal()
    lean = random.uniform(*LEAN)
    chance = random.standard_normal(len(CUES))
    expression = {}
    for (cue, (neutral, _, _, spread)), deviation in zip(CUES.items(), chance, strict=True):
        own, near = _shift(emotion, cue), _shift(NEIGHBOURS[emotion], cue)
        shift = strength * manner[cue] * ((1 - lean) * own + lean * near)
        low, high = LIMITS.get(cue, (-np.inf, np.inf))
        expression[cue] = float(min(max(neutral + habits[cue] + shift + spread * deviation, low), high))
    return expression


def _shift(emotion: str, cue: str) -> float:
    return 0.0 if emotion == "neutral" else CUES[cue][1][EMOTIONS.index(emotion)]


@dataclass(frozen=True)
class _Stretch:
    """A sound in the utterance: its syllable and its length in frames."""

    sound: Sound
    frames: int
    syllable: int  # number of the syllable; of the one before for silence
    vowel: bool


def _stretches(syllables: list[Syllable], expression: Expression, random: np.random.Generator) -> Iterator[_Stretch]:
    tempo = 2 ** -expression["rate"]
    yield _Stretch(SILENCE, round(random.uniform(*MARGINS) * FRAMES_PER_SECOND), 0, False)
    for number, syllable in enumerate(syllables):
        length = tempo * 2 ** (expression["irregular"] * random.standard_normal())
        length *= STRESSED if syllable.stressed else UNSTRESSED
        length *= FINAL_LENGTHENING if syllable.final else 1.0
        for phoneme in syllable.phonemes:
            vowel = phoneme in VOWELS
            for sound in (VOWELS[phoneme],) if vowel else CONSONANTS[phoneme]:
                # Consonants stretch less than vowels do (Klatt 1976).
                seconds = sound.seconds * (length if vowel else length**0.6)
                yield _Stretch(sound, max(2, round(seconds * FRAMES_PER_SECOND)), number, vowel)
        if syllable.final and number + 1 < len(syllables):
            seconds = PAUSE * tempo * 2 ** expression["pauses"]
            yield _Stretch(SILENCE, round(seconds * FRAMES_PER_SECOND), number, False)
    yield _Stretch(SILENCE, round(random.uniform(*MARGINS) * FRAMES_PER_SECOND), len(syllables) - 1, False)


def _melody(
    syllables: list[Syllable], starts: np.ndarray, ends: np.ndarray, expression: Expression, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Turning points of F0: frames, and semitones relative to the speaker's pitch."""
    span = 2 ** expression["span"]
    first, last = starts[0], ends[-1]
    frames, semitones = [], []
    for number, syllable in enumerate(syllables):
        start, end = starts[number], ends[number]
        height = span * ACCENT * (1 + 0.15 * random.standard_normal()) if syllable.stressed else 0.0
        tail = expression["ending"] * (1.0 if number + 1 == len(syllables) else 0.3) if syllable.final else 0.0
        for place, lift in (
            (start, 0.15 * height),
            (start + expression["peak"] * (end - start), height + 0.3 * tail),
            (end - 1, 0.35 * height + tail),
        ):
            frames.append(place)
            semitones.append(lift + expression["slope"] * ((place - first) / (last - first) - 0.5))
    return np.array(frames), np.array(semitones) + expression["pitch"]


def plan(text: str, expression: Expression, pitch: float, tract: float, random: np.random.Generator) -> Tracks:
    """Plans the voice's parameters over time for a text and an expression.

    Args:
        text: a text for parse_text.
        expression: a value for each cue of CUES.
        pitch: the speaker's mean F0 in Hz.
        tract: factor on all formants: an adult male's vocal tract length over the speaker's.
        random: draws lengths, heights of accents and the drift of F0.
    """
    syllables = parse_text(text)
    stretches = list(_stretches(syllables, expression, random))
    lengths = [stretch.frames for stretch in stretches]

    def track(values: list) -> np.ndarray:
        return np.repeat(np.array(values, dtype=float), lengths, axis=0)

    number = track([stretch.syllable for stretch in stretches]).astype(int)
    spoken = track([stretch.sound is not SILENCE for stretch in stretches]) > 0
    places = [np.flatnonzero((number == index) & spoken) for index in range(len(syllables))]
    starts, ends = np.array([frames[0] for frames in places]), np.array([frames[-1] + 1 for frames in places])

    frames, time = np.arange(len(number)), np.arange(len(number)) / FRAMES_PER_SECOND
    melody = np.interp(frames, *_melody(syllables, starts, ends, expression, random))
    turns = np.arange(0, time[-1] + 2 * DRIFT_SECONDS, DRIFT_SECONDS)
    drift = np.interp(time, turns, DRIFT * random.standard_normal(len(turns)))
    speed, beginning = random.uniform(5.0, 7.0), random.uniform(0, 2 * np.pi)
    tremor = expression["tremor"] * np.sin(2 * np.pi * speed * time + beginning)
    semitones = smooth(melody + drift, F0_SECONDS) + tremor

    stress = np.array([1.0 if syllable.stressed else 0.0 for syllable in syllables])
    level = smooth(expression["emphasis"] * (stress[number] - 0.5) - FADING * time / time[-1], LEVEL_SECONDS)
    loudness = 10 ** (level / 20)

    def amplitude(values: list) -> np.ndarray:
        return smooth(track(values), AMPLITUDE_SECONDS) * loudness

    voicing = amplitude([s.sound.voicing for s in stretches])
    noise = amplitude([s.sound.aspiration for s in stretches])
    frication = {
        band: amplitude([s.sound.frication * (s.sound.band == band) for s in stretches])
        for band in BANDS
        if any(s.sound.band == band for s in stretches)
    }

    targets = np.log(np.array([_held(stretches, index) for index in range(len(stretches))]))
    central = np.log(np.array(CENTRAL))
    targets = central + (targets - central) * 2 ** expression["precision"]
    low = np.exp(smooth(np.repeat(targets, lengths, axis=0), FORMANT_SECONDS))
    low[:, :2] *= 2 ** expression["lips"]
    formants = tract * np.concatenate([low, np.broadcast_to(HIGH_FORMANTS, (len(low), len(HIGH_FORMANTS)))], axis=1)
    damping = smooth(track([s.sound.damping for s in stretches]), AMPLITUDE_SECONDS)
    open_quotient = np.full(len(number), expression["open_quotient"])
    widths = np.array(BANDWIDTHS) * damping[:, None] * (0.7 + 0.5 * open_quotient[:, None])  # an open glottis damps
    return Tracks(
        f0=pitch * 2 ** (semitones / 12),
        voicing=voicing,
        aspiration=0.5 * 10 ** (expression["breath"] / 20) * voicing + 0.5 * noise,
        frication=frication,
        formants=formants,
        bandwidths=widths,
        open_quotient=open_quotient,
        tilt=np.maximum(0.0, expression["tilt"] - 0.6 * level),  # louder syllables are brighter
        jitter=expression["jitter"],
        shimmer=expression["shimmer"],
        creak=expression["creak"],
    )


def _held(stretches: list[_Stretch], index: int) -> tuple[float, float, float]:
    """A sound's formants; silence keeps those of its neighbour, since the articulators stay where they are."""
    if stretches[index].sound is not SILENCE:
        return stretches[index].sound.formants
    return stretches[index - 1 if index else index + 1].sound.formants
