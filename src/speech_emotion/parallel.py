"""Applies a function to many items in a few processes; results come in the items' order."""

import itertools
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import TypeVar

import threadpoolctl
from joblib.externals.loky import get_reusable_executor

from speech_emotion.errors import UserError
from speech_emotion.parentage import end_with
from speech_emotion.recorder import Recorder

Item = TypeVar("Item")
Result = TypeVar("Result")

QUEUED = 2  # items in progress per worker, as many as loky's queue takes
AHEAD = 8  # items per worker that are in progress, or done and not yet taken: limits memory if the consumer is slow
IDLE_SECONDS = 300  # after which waiting processes end
# A process keeps freed memory for the next array: otherwise the system reclaims the memory of each batch and returns it
# page by page (glibc, mallopt(3); other C libraries ignore these variables)
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**30)}

# loky replaces a process that grew by 300 MB between two items; nothing is lost, so its warning is hidden
warnings.filterwarnings("ignore", "A worker stopped while some jobs were given to the executor", UserWarning)


def _single_threaded(function: Callable[[Item], Result], folder: str, caller: int, item: Item) -> Result:
    import torch

    if os.getpid() != caller:
        end_with(caller)
    os.chdir(folder)  # paths may be relative, and an earlier call may have had another working folder
    torch.set_num_threads(1)  # one thread per process: sums do not depend on the number of cores
    with threadpoolctl.threadpool_limits(1):
        return function(item)


def ordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    recorder: Recorder,
    title: str,
    total: int | None = None,
) -> Iterator[Result]:
    """Yields function(item) for each item, in order, computed by `workers` processes with one thread each.

    Items are taken from the iterable as they are needed, so it is never held in memory as a whole. `function` and the
    items must be picklable (module-level functions, functools.partial). An exception in a worker ends the others and is
    raised here. The processes end with this one, even if it is killed.

    Args:
        function: of one item.
        items: any iterable.
        workers: number of processes; 1 computes in this process.
        recorder: shows the progress.
        title: of the progress.
        total: number of items, for the progress, if `items` has no length.

    Raises:
        UserError: a worker was killed.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    work = partial(_single_threaded, function, os.getcwd(), os.getpid())
    results = map(work, items) if workers == 1 else _by_processes(work, items, workers)
    yield from recorder.progress(results, title, total)


def _by_processes(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    executor = get_reusable_executor(workers, timeout=IDLE_SECONDS, env=KEEP_MEMORY)
    items = iter(items)
    waiting: deque[Future] = deque()  # in the items' order; the first may finish last
    running: set[Future] = set()
    try:
        while True:
            room = min(QUEUED * workers - len(running), AHEAD * workers - len(waiting))
            for item in itertools.islice(items, room):
                waiting.append(executor.submit(work, item))
                running.add(waiting[-1])
            if not waiting:
                return
            if waiting[0].done():
                yield waiting.popleft().result()
                running = {future for future in running if not future.done()}
            else:
                running = wait(running, return_when=FIRST_COMPLETED).not_done
    except BrokenProcessPool:
        raise UserError(
            f"workers = {workers}: one of these processes was killed, most likely for lack of memory: "
            "lower workers in params.yaml, or use a machine with more memory"
        ) from None
    except BaseException:
        wait([future for future in running if future.cancel()])  # loky's thread fails on items that it has not seen
        executor.shutdown(kill_workers=True)
        raise
