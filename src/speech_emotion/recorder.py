"""What a step tells while it works. Steps and training know this face only, no MLflow."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
OnEpoch = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True)
class Training:
    """A unit that is about to be trained, as those who watch are told.

    Attributes:
        key: of the unit, as training.units makes it.
        together: keys of all units that make up one result, this one among them.
        hyperparameters: name -> value.
        max_epochs: the most epochs that it may take; 0 for a system without epochs.
    """

    key: str
    together: tuple[str, ...]
    corpus: str
    protocol: str
    system: str
    fold: str
    seed: int
    hyperparameters: Mapping[str, Any]
    max_epochs: int


class _Lines:
    """Standard error, to which progress comes a line a time.

    One line that is written over again and again is nothing to a log: those of containers keep it back until it ends.
    """

    def write(self, text: str) -> None:
        if line := text.strip("\r\n "):
            sys.stderr.write(f"{line}\n")

    def flush(self) -> None:
        sys.stderr.flush()


class Recorder:
    """Shows progress on standard error. Runners that want more (a live view, say) pass a subclass.

    A recorder goes along to the processes that train: it must be picklable.

    Args:
        quiet: say nothing at all (tests).
    """

    def __init__(self, quiet: bool = False):
        self.quiet = quiet

    def note(self, text: str) -> None:
        """One line for the person who watches."""
        if not self.quiet:
            tqdm.write(text, file=sys.stderr)

    def progress(self, items: Iterable[Item], title: str, total: int | None = None) -> Iterator[Item]:
        """Passes the items through and shows how far they are."""
        seen = sys.stderr.isatty()
        yield from tqdm(
            items,
            desc=title,
            total=total,
            disable=self.quiet,
            mininterval=0.5 if seen else 15.0,  # a log wants few lines
            file=sys.stderr if seen else _Lines(),
            dynamic_ncols=True,
        )

    def training(self, unit: Training) -> AbstractContextManager[OnEpoch]:
        """Surrounds the training of one unit, in the process that trains it.

        Yields what is called after each epoch with its number, from 1, and its values (loss, valid_loss, valid_ua).
        """
        return contextlib.nullcontext(lambda epoch, values: None)
