"""What the journals of finished trainings add to a run: seconds, samples of the machine, start and end."""

from collections.abc import Iterable
from pathlib import Path

from speech_emotion.tracking.entries import Period
from speech_emotion.tracking.journal import Journal, read_journal


def finished_journal(folder: Path, key: str) -> Journal | None:
    """The journal of a finished training; None for a unit that was trained elsewhere."""
    journal = read_journal(folder, key)
    return journal if journal and journal.finished else None


def seconds_of(journal: Journal | None) -> dict[str, float]:
    """Wall-clock and CPU seconds of the training; empty if the unit was trained elsewhere."""
    return {name: float(journal.end[name]) for name in ("seconds", "cpu_seconds")} if journal else {}


def samples_of(journal: Journal | None) -> dict[str, list[tuple[int, float]]]:
    """System metric -> its points (milliseconds since 1970, value); empty if the unit was trained elsewhere."""
    found: dict[str, list[tuple[int, float]]] = {}
    for line in journal.samples if journal else ():
        for name, value in line["values"].items():
            found.setdefault(f"system/{name}", []).append((line["time"], value))
    return found


def period_of(journals: Iterable[Journal | None]) -> Period | None:
    """From the first start to the last end; None if any unit was trained elsewhere."""
    journals = list(journals)
    if not journals or not all(journals):
        return None
    return Period(min(one.start["time"] for one in journals), max(one.end["time"] for one in journals))
