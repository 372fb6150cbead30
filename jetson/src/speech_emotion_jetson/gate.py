"""Limits requests: one computes, some wait, and the others are refused for now."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import Callable, Iterator

POLL_SECONDS = 0.25  # how often a waiting request checks that its client is still there


class Busy(Exception):
    """The queue is full; another attempt may succeed."""


class Gate:
    """A bounded queue in front of the model.

    Args:
        waiting: how many requests may wait while one computes, 0 or more.
    """

    def __init__(self, waiting: int):
        self._places = threading.BoundedSemaphore(waiting + 1)
        self._turn = threading.Lock()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Holds a place in the queue during the `with` block; raises Busy if it is full."""
        if not self._places.acquire(blocking=False):
            raise Busy
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def turn(self, wanted: Callable[[], None]) -> Iterator[None]:
        """Waits for its turn to compute, and holds it during the `with` block.

        Args:
            wanted: is called from time to time while waiting, and raises if the client is gone.
        """
        while not self._turn.acquire(timeout=POLL_SECONDS):
            wanted()
        try:
            yield
        finally:
            self._turn.release()
