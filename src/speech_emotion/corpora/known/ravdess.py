"""RAVDESS, audio only: English, 24 actors, 1,440 spoken (8 emotions) and 1,012 sung files (6 emotions), 48 kHz.

Livingstone, Russo: The Ryerson Audio-Visual Database of Emotional Speech and Song, PLOS ONE 13(5), 2018.
Labels are in the names: `Actor_AA/MM-VV-EE-II-SS-RR-AA.wav` is modality, vocal channel, emotion, intensity,
statement, repetition, actor.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from speech_emotion.corpora.corpus import Corpus
from speech_emotion.corpora.table import Labelled, Rejected
from speech_emotion.corpora.walking import files_below, unexpected

EMOTIONS = {
    "01": "neutral", "02": "calm", "03": "happiness", "04": "sadness", "05": "anger", "06": "fear",
    "07": "disgust", "08": "surprise",
}  # fmt: skip
CHANNELS = {"01": "speech", "02": "song"}
INTENSITIES = {"01": "normal", "02": "strong"}
STATEMENTS = ("01", "02")  # "Kids are talking by the door", "Dogs are sitting by the door"
ACTORS = range(1, 25)
FILE = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)\.wav", re.ASCII)
SCHEME = "Actor_AA/03-VV-EE-II-SS-RR-AA.wav"


def read(root: Path) -> Iterator[Labelled | Rejected]:
    """Reads the labels from the names below `root` (data/ravdess), sorted by path.

    The session is the vocal channel, speech or song. Unknown emotion numbers are kept as emotions.
    """
    for path in files_below(root):
        folder, _, name = path.rpartition("/")
        match = FILE.fullmatch(name)
        if not match:
            yield unexpected(root, path, SCHEME)
            continue
        modality, channel, emotion, intensity, statement, _, actor = match.groups()
        fault = _fault(folder, modality, channel, intensity, statement, actor)
        if fault:
            yield Rejected(path, "name", fault)
            continue
        yield Labelled(
            path=path,
            speaker=actor,
            sex="male" if int(actor) % 2 else "female",
            emotion=EMOTIONS.get(emotion, emotion),
            intensity=INTENSITIES[intensity],
            text=statement,
            session=CHANNELS[channel],
        )


def is_song(path: str) -> bool:
    """Whether a path below data/ravdess belongs to a sung file."""
    folder, _, name = path.rpartition("/")
    match = FILE.fullmatch(name)
    return match is not None and match[1] == "03" and match[2] == "02" and folder == f"Actor_{match[7]}"


def _fault(folder: str, modality: str, channel: str, intensity: str, statement: str, actor: str) -> str | None:
    if modality != "03":
        return f"modality {modality}: must be 03, audio only"
    if channel not in CHANNELS:
        return f"vocal channel {channel}: must be 01 (speech) or 02 (song)"
    if intensity not in INTENSITIES:
        return f"intensity {intensity}: must be 01 (normal) or 02 (strong)"
    if statement not in STATEMENTS:
        return f"statement {statement}: must be 01 or 02"
    if int(actor) not in ACTORS:
        return f"actor {actor}: must be 01 to 24"
    if folder != f"Actor_{actor}":
        return f"actor {actor} in the name differs from the folder {folder or '.'}"
    return None


def place(path: str) -> str | None:
    """Actor_AA/NAME for a path that ends with it; None for others."""
    folder, name = PurePosixPath(path).parent.name, PurePosixPath(path).name
    match = FILE.fullmatch(name)
    return f"{folder}/{name}" if match and folder == f"Actor_{match[7]}" else None


CORPUS = Corpus(
    name="ravdess",
    description="acted North American English in a studio, two sentences",
    licence="CC BY-NC-SA 4.0",
    scheme=SCHEME,
    read=read,
    place=place,
    archives={
        "speech": "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip",
        "song": "https://zenodo.org/records/1188976/files/Audio_Song_Actors_01-24.zip",
    },
    checksums=Path(__file__).with_suffix(".sha256"),
    unlisted={"song": is_song},
)
