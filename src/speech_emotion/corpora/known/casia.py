"""CASIA Chinese emotional corpus: Mandarin, 4 speakers, 6 emotions, 9,600 utterances (1,200 in the free
part), 16 kHz.

From the Institute of Automation, Chinese Academy of Sciences, under a licence. Labels are folders:
`SPEAKER/EMOTION/NNN.wav`; NNN is the sentence, the same for all speakers.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from speech_emotion.corpora.corpus import LICENSED, Corpus
from speech_emotion.corpora.table import Labelled, Rejected
from speech_emotion.corpora.walking import files_below, unexpected

EMOTIONS = {
    "angry": "anger", "fear": "fear", "happy": "happiness", "neutral": "neutral", "sad": "sadness",
    "surprise": "surprise",
}  # fmt: skip
FILE = re.compile(r"(?P<speaker>[^/]+)/(?P<emotion>[^/]+)/(?P<text>\d+)\.wav", re.ASCII)
SCHEME = "SPEAKER/EMOTION/NNN.wav"


def read(root: Path) -> Iterator[Labelled | Rejected]:
    """What the folders below `root` (data/casia) say, sorted by path; a folder of no known emotion stands as
    it is.

    The publisher does not tell the speakers' sex file by file, so it stays open.
    """
    for path in files_below(root):
        match = FILE.fullmatch(path)
        if match:
            emotion = EMOTIONS.get(match["emotion"].lower(), match["emotion"])
            yield Labelled(path=path, speaker=match["speaker"], emotion=emotion, text=match["text"])
        else:
            yield unexpected(root, path, SCHEME)


def place(path: str) -> str | None:
    """SPEAKER/EMOTION/NNN.wav for a path that ends with it; None for others."""
    end = "/".join(PurePosixPath(path).parts[-3:])
    match = FILE.fullmatch(end)
    return end if match and match["emotion"].lower() in EMOTIONS else None


CORPUS = Corpus(
    name="casia",
    description="acted Mandarin in a studio",
    licence=LICENSED,
    scheme=SCHEME,
    read=read,
    place=place,
)
