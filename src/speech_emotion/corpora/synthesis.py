"""The synthetic demo corpus: emotional speech made by the project itself, so that the graph runs without a download.

It serves to show that the software works; results on it say nothing about human speech.
"""

import functools
import itertools
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from speech_emotion.corpora.known import demo
from speech_emotion.corpora.synthesis_prosody import EMOTIONS, habits, manner, plan, portray
from speech_emotion.corpora.synthesis_voice import SAMPLE_RATE, speak
from speech_emotion.parallel import ordered_map
from speech_emotion.randomness import generator
from speech_emotion.recorder import Recorder
from speech_emotion.store.atomic import atomic_folders

SEED = 1
SPEAKERS = tuple(demo.SEXES)
TEXTS = {  # made-up words; ' marks stressed syllables, | separates phrases
    "t1": "ba 'di mo le | na 'fu si",
    "t2": "'ta ne gu 'Sol vi | da 'me ko",
    "t3": "li 'ra be so | 'mun da pi",
    "t4": "'no va le 'ki sa | gu 'tem do",
}
TAKES = (1,)

PITCH = {"female": (170.0, 235.0), "male": (92.0, 140.0)}  # range of a speaker's own F0, Hz
TRACT = {"female": (1.11, 1.22), "male": (0.95, 1.06)}  # range of the factor on formants
LEVEL = -28.0  # level of a neutral utterance, dBFS
ROOM_NOISE = (-67.0, -57.0)  # range of the room noise's level, dBFS
ROOM_COLOUR = (0.5, 0.95)  # range of the pole of the room noise's low-pass filter
MICROPHONE = (-0.25, 0.25)  # range of the zero of the microphone's filter
ECHOES, ECHO_SECONDS, ECHO_LEVEL = 5, (0.004, 0.03), (-26.0, -15.0)  # first reflections: number, delays, dB
PEAK = 0.97  # of full scale, at most

NOTICE = """\
SYNTHETIC SPEECH: no person speaks here.

Made by the program speech_emotion.corpora.synthesis: pulses and noise shaped by the resonances of a vocal tract,
with the prosody that the literature gives for each emotion. Made-up words, made-up speakers.
It serves to run and test the project without a download; figures got on it say nothing about people.

{speaker}/{speaker}_{text}_{emotion}_{take}.wav, 16 kHz, mono, 16 bit. Licence: Apache-2.0.
"""


@dataclass(frozen=True)
class Line:
    """One utterance of the script: speaker, text, emotion and number of the take."""

    speaker: str
    text: str
    emotion: str
    take: int

    @property
    def path(self) -> str:
        return f"{self.speaker}/{self.speaker}_{self.text}_{self.emotion}_{self.take}.wav"


def script() -> list[Line]:
    """Returns all utterances of the corpus, sorted by path."""
    lines = itertools.starmap(Line, itertools.product(SPEAKERS, TEXTS, EMOTIONS, TAKES))
    return sorted(lines, key=lambda line: line.path)


@dataclass(frozen=True)
class Voice:
    """A speaker and the room of the recordings.

    Attributes:
        pitch: the speaker's mean F0 in Hz.
        tract: factor on formants.
        habits: offset of each cue in neutral speech.
        noise: level of the room noise in dBFS.
        colour: pole of the low-pass filter that shapes the room noise.
        microphone: zero of the microphone's filter.
        echoes: delay in samples -> amplitude of the first reflections.
    """

    pitch: float
    tract: float
    habits: dict[str, float]
    noise: float
    colour: float
    microphone: float
    echoes: dict[int, float]


@functools.cache
def voice(speaker: str) -> Voice:
    """Returns the voice of one of SPEAKERS; it depends only on SEED and the name."""
    sex, random = demo.SEXES[speaker], generator(SEED, speaker, "voice")
    alike = [other for other in SPEAKERS if demo.SEXES[other] == sex]
    place = (alike.index(speaker) + random.random()) / len(alike)  # spreads the speakers of a sex over its range
    low, high = PITCH[sex]
    return Voice(
        pitch=low * (high / low) ** place,
        tract=random.uniform(*TRACT[sex]),
        habits=habits(generator(SEED, speaker, "habits")),
        noise=random.uniform(*ROOM_NOISE),
        colour=random.uniform(*ROOM_COLOUR),
        microphone=random.uniform(*MICROPHONE),
        echoes={
            round(random.uniform(*ECHO_SECONDS) * SAMPLE_RATE): 10 ** (random.uniform(*ECHO_LEVEL) / 20)
            for _ in range(ECHOES)
        },
    )


def utterance(line: Line) -> np.ndarray:
    """Synthesises one utterance: (N,) float64 samples between -1 and 1, at SAMPLE_RATE Hz."""
    speaker = voice(line.speaker)
    key = (line.speaker, line.emotion, line.text, line.take)
    ways = manner(generator(SEED, line.speaker, line.emotion, "manner"))
    expression = portray(line.emotion, speaker.habits, ways, generator(SEED, *key, "portrayal"))
    tracks = plan(TEXTS[line.text], expression, speaker.pitch, speaker.tract, generator(SEED, *key, "plan"))
    speech = speak(tracks, generator(SEED, *key, "voice"))
    return _record(speech, LEVEL + expression["energy"], speaker, generator(SEED, *key, "room"))


def _record(speech: np.ndarray, level: float, room: Voice, random: np.random.Generator) -> np.ndarray:
    """Adds the speaker's room to the speech and sets its level to `level` dBFS (RMS)."""
    echoed = speech.copy()
    for delay, amplitude in room.echoes.items():
        echoed[delay:] += amplitude * speech[:-delay]
    echoed[1:] = echoed[1:] + room.microphone * echoed[:-1]
    echoed *= 10 ** (level / 20) / _rms(echoed)
    tone = lfilter([1.0], [1.0, -room.colour], random.standard_normal(len(speech)))
    recorded = echoed + tone * (10 ** (room.noise / 20) / _rms(tone))
    return recorded * min(1.0, PEAK / np.max(np.abs(recorded)))


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples * samples)))


def write_lines(path: Path, lines: Sequence[Line]) -> Path:
    """Writes utterances one after the other to a 16-bit WAV file; returns the path."""
    samples = np.concatenate([utterance(line) for line in lines])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())
    return path


def _write(folder: Path, line: Line) -> None:
    write_lines(folder / line.path, [line])


def synthesise(folder: Path, workers: int, recorder: Recorder) -> None:
    """Makes the synthetic corpus: `<speaker>/<speaker>_<text>_<emotion>_<take>.wav` below `folder`, and README.txt.

    The bytes do not depend on `workers`. The folder appears only once it is complete, and replaces an
    existing one.

    Args:
        folder: usually data/demo.
        workers: number of processes.
        recorder: shows progress.
    """
    with atomic_folders(folder) as (temporary,):
        for speaker in SPEAKERS:
            (temporary / speaker).mkdir()
        write = functools.partial(_write, temporary)
        for _ in ordered_map(write, script(), workers, recorder, "synthetic speech"):
            pass
        (temporary / demo.NOTICE).write_text(NOTICE, encoding="utf-8")
