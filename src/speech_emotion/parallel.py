"""The same work over many items on a few processes, results in the items' order."""

import os
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

import joblib
import threadpoolctl

from speech_emotion.parentage import end_with
from speech_emotion.recorder import Recorder

Item = TypeVar("Item")
Result = TypeVar("Result")


def _single_threaded(function: Callable[[Item], Result], item: Item, folder: str, caller: int) -> Result:
    import torch

    if os.getpid() != caller:
        end_with(caller)
    os.chdir(folder)  # a worker that served an earlier call may stand elsewhere, and paths may be relative
    torch.set_num_threads(1)  # one thread a process: sums do not depend on the number of cores
    with threadpoolctl.threadpool_limits(1):
        return function(item)


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, recorder: Recorder, title: str
) -> Iterator[Result]:
    """Yields function(item) for each item, in order, computed by `workers` processes of one thread each.

    `function` and the items must be picklable (module-level functions, functools.partial). An exception in a worker is
    raised here. The processes end with this one, even where it is killed.
    """
    total = len(items) if isinstance(items, Sized) else None
    folder = os.getcwd()
    pool = joblib.Parallel(n_jobs=workers, return_as="generator", pre_dispatch="4*n_jobs", batch_size=1)
    results = pool(joblib.delayed(_single_threaded)(function, item, folder, os.getpid()) for item in items)
    yield from recorder.progress(results, title, total)
