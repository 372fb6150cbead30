"""Which reader reads a corpus."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from speech_emotion.corpora import casia, demo, emodb, iemocap, own, ravdess
from speech_emotion.corpora.table import Labelled, SetAside
from speech_emotion.errors import UserError

MODULES = {module.NAME: module for module in (demo, emodb, ravdess, iemocap, casia)}


@dataclass(frozen=True)
class Reader:
    """A corpus's reader.

    Attributes:
        name: of the corpus.
        licence: of its files, where they do not say otherwise.
        read: yields what can be told of each file below data/<corpus> without opening its audio, sorted by
            path.
    """

    name: str
    licence: str
    read: Callable[[Path], Iterator[Labelled | SetAside]]


def reader_of(corpus: str, root: Path) -> Reader:
    """The reader of a corpus: by its name, or of an own corpus where `root` holds utterances.csv.

    Raises:
        UserError: neither.
    """
    if module := MODULES.get(corpus):
        return Reader(module.NAME, module.LICENCE, module.read)
    if (root / own.TABLE).is_file():
        return Reader(corpus, own.LICENCE, own.read)
    raise UserError(
        f"corpus = {corpus}: is none of {', '.join(MODULES)}, and {root} holds no {own.TABLE}: "
        "write one as docs/own-corpus.md says"
    )
