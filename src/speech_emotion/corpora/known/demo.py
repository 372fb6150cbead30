"""The synthetic demo corpus, made by synthesis.py: 8 voices, 7 emotions, 224 utterances, 16 kHz mono.

Labels are in the names: `<speaker>/<speaker>_<text>_<emotion>_<take>.wav`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from speech_emotion.corpora.corpus import Corpus
from speech_emotion.corpora.table import Labelled, Rejected
from speech_emotion.corpora.walking import files_below, unexpected
from speech_emotion.recorder import Recorder

SEXES = {
    "01": "female", "02": "male", "03": "female", "04": "male", "05": "female", "06": "male",
    "07": "female", "08": "male",
}  # fmt: skip
FILE = re.compile(r"(?P<speaker>\d\d)/(?P=speaker)_(?P<text>t\d+)_(?P<emotion>[a-z]+)_(?P<take>\d+)\.wav", re.ASCII)
SCHEME = "<speaker>/<speaker>_<text>_<emotion>_<take>.wav"
NOTICE = "README.txt"  # says that the speech is synthetic


def read(root: Path) -> Iterator[Labelled | Rejected]:
    """Reads the labels from the names below `root` (data/demo), by path; unknown emotions are kept as written."""
    for path in files_below(root):
        match = FILE.fullmatch(path)
        if match and match["speaker"] in SEXES:
            yield Labelled(
                path=path,
                speaker=match["speaker"],
                sex=SEXES[match["speaker"]],
                emotion=match["emotion"],
                text=match["text"],
            )
        elif match:
            yield Rejected(path, "name", f"speaker {match['speaker']}: must be one of {', '.join(SEXES)}")
        elif path != NOTICE:
            yield unexpected(root, path, SCHEME)


def make(folder: Path, workers: int, recorder: Recorder) -> None:
    """Synthesises the corpus into `folder`; the bytes do not depend on `workers`, the number of processes."""
    from speech_emotion.corpora.synthesis import synthesise  # it imports this module

    synthesise(folder, workers, recorder)


CORPUS = Corpus(
    name="demo",
    description="synthesised, no human speaker",
    licence="Apache-2.0 (synthetic)",
    scheme=SCHEME,
    read=read,
    place=lambda path: None,  # it is synthesised, never copied
    checksums=Path(__file__).with_suffix(".sha256"),
    make=make,
)
