"""Ends worker processes when the process that started them has ended, even if it was killed."""

import functools
import os
import threading

SECONDS_BETWEEN_LOOKS = 1.0
ORPHANED = 75  # exit status of such a worker


@functools.cache
def end_with(parent: int) -> None:
    """Ends this process immediately when its parent is no longer `parent`; a second call has no effect.

    Comparing the parent's id works on every POSIX system, whichever thread started this process. Nothing is cleaned up:
    outputs of a step appear completely or not at all.

    Args:
        parent: id of the process that started this one.
    """
    threading.Thread(target=_watch, args=(parent,), daemon=True, name="parentage").start()


def _watch(parent: int) -> None:
    never = threading.Event()
    while os.getppid() == parent:
        never.wait(SECONDS_BETWEEN_LOOKS)
    os._exit(ORPHANED)
