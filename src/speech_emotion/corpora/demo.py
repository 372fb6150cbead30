"""The synthetic demo corpus, made by synthesis.py: 8 voices, 7 emotions, 224 utterances, 16 kHz mono.

Labels stand in the names: `<speaker>/<speaker>_<text>_<emotion>_<take>.wav`, the speaker's first letter being the sex.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from speech_emotion.corpora.table import Labelled, SetAside
from speech_emotion.corpora.walking import files_below, unexpected

NAME = "demo"
LICENCE = "Apache-2.0 (synthetic)"

SEXES = {"f": "female", "m": "male"}
FILE = re.compile(
    r"(?P<speaker>(?P<sex>[fm])\d\d)/(?P=speaker)_(?P<text>t\d+)_(?P<emotion>[a-z]+)_(?P<take>\d+)\.wav", re.ASCII
)
SCHEME = "<speaker>/<speaker>_<text>_<emotion>_<take>.wav"
NOTICE = "README.txt"  # says that the speech is synthetic


def read(root: Path) -> Iterator[Labelled | SetAside]:
    """What the names below `root` (data/demo) say, sorted by path; an unknown emotion stands as it is."""
    for path in files_below(root):
        if match := FILE.fullmatch(path):
            yield Labelled(
                path=path,
                speaker=match["speaker"],
                sex=SEXES[match["sex"]],
                emotion=match["emotion"],
                text=match["text"],
            )
        elif path != NOTICE:
            yield unexpected(root, path, SCHEME)
