"""What the project knows about one corpus."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from speech_emotion.corpora.table import Labelled, Rejected
from speech_emotion.recorder import Recorder

LICENSED = "licensed"  # licence of a corpus that its publisher provides only under a contract

Place = Callable[[str], str | None]


@dataclass(frozen=True)
class Corpus:
    """A corpus: its source, its files and how they are read.

    Attributes:
        name: name of its folder below data/; lower-case letters, digits and hyphens.
        description: what kind of speech it holds, for model cards.
        licence: licence of its files, unless a file states its own.
        scheme: naming scheme of its files, for messages.
        read: yields what is known about each file below data/<name> without opening its audio, sorted by path.
        place: maps a path in the publisher's archive, at any depth, to the file's path below data/<name>; None for a
            file that does not belong to the corpus.
        archives: part -> address of the publisher's archive; the first part is the default. Empty: the user must
            already have the corpus.
        checksums: file with a line `<sha256>  <name>/<path>` for each published file; None if they are not known.
        unlisted: part that `checksums` leaves out -> whether a path below data/<name> is one of its files.
        make: synthesises the corpus into a folder that does not exist yet, with the given number of processes; None
            for recorded speech.
        arrange: returns the `place` to use for the paths of all files that the user gives; None if `place` does not
            depend on the other files. Raises UserError if they hold more than one corpus.
    """

    name: str
    description: str
    licence: str
    scheme: str
    read: Callable[[Path], Iterator[Labelled | Rejected]]
    place: Place
    archives: Mapping[str, str] = field(default_factory=dict)
    checksums: Path | None = None
    unlisted: Mapping[str, Callable[[str], bool]] = field(default_factory=dict)
    make: Callable[[Path, int, Recorder], None] | None = None
    arrange: Callable[[Sequence[str]], Place] | None = None
