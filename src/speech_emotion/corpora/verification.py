"""A corpus's files against the sums that its publisher's files have."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from speech_emotion.corpora import ravdess
from speech_emotion.corpora.walking import files_below
from speech_emotion.errors import UserError
from speech_emotion.store.hashing import sha256_file

CHECKSUMS = resources.files("speech_emotion.corpora") / "checksums"
SHOWN = 10  # files that a message names


@dataclass(frozen=True)
class Verification:
    """What does not agree with the published sums; paths relative to the corpus's folder, sorted.

    Attributes:
        listed: number of files that are published.
        missing: published and not there.
        altered: there with other bytes, or as a link.
        stray: there and not published.
    """

    corpus: str
    listed: int
    missing: tuple[str, ...]
    altered: tuple[str, ...]
    stray: tuple[str, ...]

    @property
    def faultless(self) -> bool:
        return not (self.missing or self.altered or self.stray)

    def describe(self) -> str:
        """One line for each kind of fault, naming the first ten files and how many more; one line if there is
        none."""
        if self.faultless:
            return f"{self.corpus}: all {self.listed} files are as published"
        faults = {"missing": self.missing, "altered": self.altered, "stray": self.stray}
        return "\n".join(
            f"{self.corpus}: {len(paths)} of {self.listed} published files {kind}: {_some(paths)}"
            if kind != "stray"
            else f"{self.corpus}: {len(paths)} stray files, not among the published: {_some(paths)}"
            for kind, paths in faults.items()
            if paths
        )


def is_published(corpus: str) -> bool:
    """Whether the sums of the corpus's files are known."""
    return (CHECKSUMS / f"{corpus}.sha256").is_file()


def published_sums(corpus: str) -> dict[str, str]:
    """Path below the corpus's folder -> hex sha256 of the published file.

    Raises:
        UserError: the corpus's sums are not known.
    """
    if not is_published(corpus):
        raise UserError(f"corpus = {corpus}: its publisher's sums are not known: cannot be verified")
    lines = (CHECKSUMS / f"{corpus}.sha256").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("  ", 1) for line in lines)
    return {path.removeprefix(f"{corpus}/"): digest for digest, path in pairs}


def verify(corpus: str, root: Path) -> Verification:
    """Compares the files below `root` (data/<corpus>) with the published ones.

    RAVDESS' sung files, of which no sums are known, are let pass if their names are of its scheme.

    Raises:
        UserError: the corpus's sums are not known.
    """
    sums = published_sums(corpus)
    there = files_below(root)
    altered = [path for path in there if path in sums and not _is_file_of(root / path, sums[path])]
    stray = [path for path in there if path not in sums and not _known_unlisted(corpus, path)]
    missing = sorted(set(sums) - set(there))
    return Verification(corpus, len(sums), tuple(missing), tuple(altered), tuple(stray))


def _is_file_of(path: Path, digest: str) -> bool:
    return not path.is_symlink() and sha256_file(path) == digest


def _known_unlisted(corpus: str, path: str) -> bool:
    return corpus == ravdess.NAME and ravdess.is_song(path)


def _some(paths: tuple[str, ...]) -> str:
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(paths[:SHOWN]) + more
