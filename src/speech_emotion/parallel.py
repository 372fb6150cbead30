"""The same work over many items on a few processes, results in the items' order."""

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

QUEUED = 2  # items a worker that are under way; loky's queue holds as many
AHEAD = 8  # items a worker that are under way, or done and not yet taken: memory stays flat if the taker is slow
IDLE_SECONDS = 300  # processes that wait for the next call so long end
# A process keeps the memory that an array leaves for the next one: else the system takes away that of each batch and
# hands it out again, page by page (glibc, mallopt(3); other C libraries pass over these)
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**30)}

# loky ends a process that grew by 300 MB between two items, and starts another; nothing is lost, nobody need know
warnings.filterwarnings("ignore", "A worker stopped while some jobs were given to the executor", UserWarning)


def _single_threaded(function: Callable[[Item], Result], folder: str, caller: int, item: Item) -> Result:
    import torch

    if os.getpid() != caller:
        end_with(caller)
    os.chdir(folder)  # a worker that served an earlier call may stand elsewhere, and paths may be relative
    torch.set_num_threads(1)  # one thread a process: sums do not depend on the number of cores
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
    """Yields function(item) for each item, in order, computed by `workers` processes of one thread each.

    Items are drawn as they are needed, so that a long iterable is never held whole. `function` and the items must be
    picklable (module-level functions, functools.partial). An exception in a worker ends the others and is raised here.
    The processes end with this one, even where it is killed.

    Args:
        total: how many items there are, for the progress shown, where `items` cannot tell.

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
    waiting: deque[Future] = deque()  # in the items' order; the first may be the last to be done
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
            f"workers = {workers}: one of these processes was killed, most likely for want of memory: "
            "lower workers in params.yaml, or give the machine more"
        ) from None
    except BaseException:
        wait([future for future in running if future.cancel()])  # loky's thread trips over items that it has not seen
        executor.shutdown(kill_workers=True)
        raise
