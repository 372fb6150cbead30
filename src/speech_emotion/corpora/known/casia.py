"""CASIA Chinese emotional corpus: Mandarin, 4 speakers, 6 emotions, 9,600 utterances (1,200 in the free part), 16 kHz.

From the Institute of Automation, Chinese Academy of Sciences; requires a licence. Folders give the labels:
`SPEAKER/EMOTION/NNN.wav`; NNN is the sentence, with the same numbers for all speakers.
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
    """Reads the labels from the folders below `root` (data/casia), by path; unknown emotions are kept as written.

    The publisher does not give the speaker's sex for each file, so it stays empty.
    """
    for path in files_below(root):
        match = FILE.fullmatch(path)
        if match:
            emotion = EMOTIONS.get(match["emotion"].lower(), match["emotion"])
            yield Labelled(path=path, speaker=match["speaker"], emotion=emotion, text=match["text"])
        else:
            yield unexpected(root, path, SCHEME)


def place(path: str) -> str | None:
    """Returns the SPEAKER/EMOTION/NNN.wav at the end of a path; None for other paths."""
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
