"""The interface through which steps and training report progress. They know only this class, not MLflow."""

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
    """A unit that is about to be trained, as recorders see it.

    Attributes:
        key: of the unit, from training.units.
        together: keys of all units of the same result, including this one.
        corpus, protocol, system, fold, seed: what is trained.
        hyperparameters: name -> value.
        max_epochs: upper limit; 0 for a system without epochs.
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
    """Standard error with each state of the progress on a line of its own.

    Logs cannot show a line that is overwritten: those of containers hold it back until it ends.
    """

    def write(self, text: str) -> None:
        if line := text.strip("\r\n "):
            sys.stderr.write(f"{line}\n")

    def flush(self) -> None:
        sys.stderr.flush()


class Recorder:
    """Shows progress on standard error. Runners that need more, such as a live view, pass a subclass.

    A recorder is sent to the processes that train, so it must be picklable.

    Args:
        quiet: show nothing (tests).
    """

    def __init__(self, quiet: bool = False):
        self.quiet = quiet

    def note(self, text: str) -> None:
        """Shows one line of text."""
        if not self.quiet:
            tqdm.write(text, file=sys.stderr)

    def progress(self, items: Iterable[Item], title: str, total: int | None = None) -> Iterator[Item]:
        """Yields the items and shows the progress.

        Args:
            items: any iterable.
            title: of the progress.
            total: number of items, if known.
        """
        terminal = sys.stderr.isatty()
        yield from tqdm(
            items,
            desc=title,
            total=total,
            disable=self.quiet,
            mininterval=0.5 if terminal else 15.0,  # few lines in a log
            file=sys.stderr if terminal else _Lines(),
            dynamic_ncols=True,
        )

    def training(self, unit: Training) -> AbstractContextManager[OnEpoch]:
        """A context manager around the training of one unit, in the process that trains it.

        It yields a function to call after each epoch with its number, from 1, and its values (loss, valid_loss,
        valid_ua).
        """
        return contextlib.nullcontext(lambda epoch, values: None)
