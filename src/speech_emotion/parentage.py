"""Worker processes end when the process that started them is gone, however it went."""

import functools
import os
import threading

SECONDS_BETWEEN_LOOKS = 1.0
ORPHANED = 75  # how such a worker ends: nobody is left to read it


@functools.cache
def end_with(parent: int) -> None:
    """Ends this process at once when its parent is another than `parent`; asked for twice, watches once.

    A look at the parent's number works on every POSIX system, whichever thread started this process. Nothing is tidied
    up: what a step writes appears whole or not at all.

    Args:
        parent: number of the process that started this one.
    """
    threading.Thread(target=_watch, args=(parent,), daemon=True, name="parentage").start()


def _watch(parent: int) -> None:
    never = threading.Event()
    while os.getppid() == parent:
        never.wait(SECONDS_BETWEEN_LOOKS)
    os._exit(ORPHANED)
