"""EMO-DB, the Berlin database of emotional speech: German, 10 actors, 7 emotions, 535 utterances, 16 kHz mono.

Burkhardt, Paeschke, Rolfes, Sendlmeier, Weiss: A Database of German Emotional Speech, Interspeech 2005.
Labels are in the names: `wav/SSTTTEv.wav` is speaker, text, emotion, version.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from speech_emotion.corpora.corpus import Corpus
from speech_emotion.corpora.table import Labelled, Rejected
from speech_emotion.corpora.walking import files_below, unexpected

EMOTIONS = {
    "W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness",
    "N": "neutral",
}  # fmt: skip
SEXES = {
    "03": "male", "08": "female", "09": "female", "10": "male", "11": "male", "12": "male", "13": "female",
    "14": "female", "15": "male", "16": "female",
}  # fmt: skip
FILE = re.compile(r"(?P<speaker>\d\d)(?P<text>[ab]\d\d)(?P<emotion>[A-Z])[a-z]\.wav", re.ASCII)
SCHEME = "wav/SSTTTEv.wav"
# other files of the publisher's archive: phone and syllable labels, explanations
PUBLISHED_BESIDE = re.compile(r"(lablaut|labsilb|silb)/.*|erk[a-z]*\.txt")


def read(root: Path) -> Iterator[Labelled | Rejected]:
    """Reads the labels from the names below `root` (data/emodb), by path; unknown letters are kept as emotions."""
    for path in files_below(root):
        folder, _, name = path.rpartition("/")
        match = FILE.fullmatch(name) if folder == "wav" else None
        if match and match["speaker"] in SEXES:
            yield Labelled(
                path=path,
                speaker=match["speaker"],
                sex=SEXES[match["speaker"]],
                emotion=EMOTIONS.get(match["emotion"], match["emotion"]),
                text=match["text"],
            )
        elif match:
            yield Rejected(path, "name", f"speaker {match['speaker']}: must be one of {', '.join(SEXES)}")
        elif not PUBLISHED_BESIDE.fullmatch(path):
            yield unexpected(root, path, SCHEME)


def place(path: str) -> str | None:
    """Returns wav/NAME for a path whose name follows the scheme; None for other paths."""
    name = PurePosixPath(path).name
    return f"wav/{name}" if FILE.fullmatch(name) else None


CORPUS = Corpus(
    name="emodb",
    description="acted German in an anechoic room",
    licence="CC0-1.0",
    scheme=SCHEME,
    read=read,
    place=place,
    archives={"all": "http://emodb.bilderbar.info/download/download.zip"},
    checksums=Path(__file__).with_suffix(".sha256"),
)
