"""What the project knows of one corpus."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from speech_emotion.corpora.table import Labelled, Rejected
from speech_emotion.recorder import Recorder

LICENSED = "licensed"  # licence of a corpus that its publisher gives out under a contract only

Place = Callable[[str], str | None]


@dataclass(frozen=True)
class Corpus:
    """A corpus: where it comes from, what belongs to it, and how it is read.

    Attributes:
        name: of its folder below data/; small letters, digits and hyphens.
        description: what kind of speech it holds, for model cards.
        licence: of its files, where they do not say otherwise.
        scheme: how its files are named, for messages.
        read: yields what can be told of each file below data/<name> without opening its audio, sorted by path.
        place: where a file of the publisher's archive belongs below data/<name>, told from its path at any depth; None
            for a file that does not belong to the corpus.
        archives: part -> address of the publisher's archive; the first part is the default. Empty: the user has to
            have the corpus already.
        checksums: file with a line `<sha256>  <name>/<path>` for each published file; None where they are not known.
        unlisted: part that `checksums` leaves out -> whether a path below data/<name> is one of its files.
        make: synthesises the corpus into a folder that does not exist yet, with a number of processes; None for
            recorded speech.
        arrange: from the paths of all files that the user gives, which `place` holds for them; None where `place` needs
            no other files. Raises UserError where they hold more than one corpus.
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
