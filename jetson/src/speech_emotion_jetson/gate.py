"""So many requests and no more: one computes, some wait, the others are told to come back."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import Callable, Iterator

POLL_SECONDS = 0.25  # how often one who waits looks whether it is still wanted


class Busy(Exception):
    """There is no place left; another attempt may succeed."""


class Gate:
    """A bounded queue in front of the model.

    Args:
        waiting: how many may wait beside the one who computes, 0 or more.
    """

    def __init__(self, waiting: int):
        self._places = threading.BoundedSemaphore(waiting + 1)
        self._turn = threading.Lock()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Holds a place; raises Busy where there is none."""
        if not self._places.acquire(blocking=False):
            raise Busy
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def turn(self, wanted: Callable[[], None]) -> Iterator[None]:
        """Waits for the one turn. `wanted` is asked now and then, and raises where nobody waits for the answer."""
        while not self._turn.acquire(timeout=POLL_SECONDS):
            wanted()
        try:
            yield
        finally:
            self._turn.release()
