"""What a step tells while it works. Steps and training know this face only, no MLflow."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


class Recorder:
    """Shows progress on standard error. Runners that want more (a live view, say) pass a subclass.

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
        interval = 0.5 if sys.stderr.isatty() else 15.0  # a log file wants few lines
        yield from tqdm(
            items,
            desc=title,
            total=total,
            disable=self.quiet,
            mininterval=interval,
            file=sys.stderr,
            dynamic_ncols=True,
        )

    def epoch(self, unit: str, epoch: int, values: Mapping[str, float]) -> None:
        """One epoch of one unit (corpus/protocol/system/fold/seed) is done; values such as loss and UA."""
