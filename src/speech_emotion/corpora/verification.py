"""Compares a corpus's files with the checksums of the published files."""

from dataclasses import dataclass
from pathlib import Path

from speech_emotion.corpora.corpus import Corpus
from speech_emotion.corpora.walking import files_below
from speech_emotion.errors import UserError
from speech_emotion.store.hashing import sha256_file

SHOWN = 10  # number of files in a message


@dataclass(frozen=True)
class Verification:
    """Differences from the published checksums; paths are relative to the corpus's folder and sorted.

    Attributes:
        corpus: name of the corpus.
        listed: number of published files.
        missing: published, but absent.
        altered: present, but with other bytes or as a link.
        stray: present, but not published.
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
        """Describes each kind of fault in one line, with the first ten files and the number of others."""
        if self.faultless:
            return f"{self.corpus}: all {self.listed} files are as published"
        faults = {"missing": self.missing, "altered": self.altered, "stray": self.stray}
        return "\n".join(
            f"{self.corpus}: {len(paths)} of {self.listed} published files {kind}: {_some(paths)}"
            if kind != "stray"
            else f"{self.corpus}: {len(paths)} stray files that are not published: {_some(paths)}"
            for kind, paths in faults.items()
            if paths
        )


def published_sums(corpus: Corpus) -> dict[str, str]:
    """Returns path below the corpus's folder -> hex SHA-256 of the published file.

    Raises:
        UserError: the corpus's checksums are not known.
    """
    if corpus.checksums is None:
        raise UserError(f"corpus = {corpus.name}: its publisher's checksums are not known: it cannot be verified")
    lines = corpus.checksums.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("  ", 1) for line in lines)
    return {path.removeprefix(f"{corpus.name}/"): digest for digest, path in pairs}


def verify(corpus: Corpus, root: Path) -> Verification:
    """Compares the files below `root` (data/<corpus>) with the published ones.

    Files of the corpus's unlisted parts, which have no known checksums, are accepted by their names.

    Raises:
        UserError: the corpus's checksums are not known.
    """
    sums = published_sums(corpus)
    there = files_below(root)
    altered = [path for path in there if path in sums and not _is_file_of(root / path, sums[path])]
    stray = [path for path in there if path not in sums and not any(holds(path) for holds in corpus.unlisted.values())]
    missing = sorted(set(sums) - set(there))
    return Verification(corpus.name, len(sums), tuple(missing), tuple(altered), tuple(stray))


def _is_file_of(path: Path, digest: str) -> bool:
    return not path.is_symlink() and sha256_file(path) == digest


def _some(paths: tuple[str, ...]) -> str:
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(paths[:SHOWN]) + more
