"""Work on many items: their order, how far ahead they are taken, and failures."""

import functools
import os
import signal
import time

import numpy as np
import pytest

from orphans import killed_with_workers, survivors
from speech_emotion.errors import UserError
from speech_emotion.parallel import AHEAD, KEEP_MEMORY, ordered_map
from speech_emotion.recorder import Recorder

QUIET = Recorder(quiet=True)
STARTS_TWO = """
from orphans import works_for_ever
from speech_emotion.parallel import ordered_map
from speech_emotion.recorder import Recorder

list(ordered_map(works_for_ever, [{folder!r}] * 4, 2, Recorder(quiet=True), ""))
"""


def square(number):
    return number * number


def length(array):
    return len(array)


def variable(name):
    return os.environ.get(name)


def fail_at(bad, number):
    if number == bad:
        raise UserError(f"{number}: bad")
    return number


def kill_at(bad, number):
    if number == bad:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def shared_memory():
    """The files of this process with which arrays are passed to workers."""
    return {name for name in os.listdir("/dev/shm") if name.startswith(f"joblib_memmapping_folder_{os.getpid()}")}


class Drawn:
    """Numbers, and a count of those that were taken."""

    def __init__(self, count):
        self.count, self.drawn = count, 0

    def __iter__(self):
        for number in range(self.count):
            self.drawn += 1
            yield number


@pytest.mark.parametrize("workers", [1, 2])
def test_results_are_in_the_order_of_the_items(workers):
    assert list(ordered_map(square, range(50), workers, QUIET, "squares")) == [n * n for n in range(50)]


@pytest.mark.parametrize("workers", [1, 2])
def test_items_are_taken_only_a_little_ahead_of_the_consumer(workers):
    items = Drawn(1000)
    results = ordered_map(square, items, workers, QUIET, "squares")
    for taken in range(1, 31):
        next(results)
        assert items.drawn <= taken + AHEAD * workers
    results.close()


def test_workers_keep_freed_memory(monkeypatch):
    """glibc reads these variables once, when a process starts; benchmarks/memory.py measures the gain."""
    for name in KEEP_MEMORY:
        monkeypatch.delenv(name, raising=False)
    assert list(ordered_map(variable, KEEP_MEMORY, 2, QUIET, "variables")) == list(KEEP_MEMORY.values())


def test_no_items_give_no_results():
    assert list(ordered_map(square, [], 2, QUIET, "squares")) == []


def test_large_items_leave_no_files_in_shared_memory():
    before = shared_memory()
    arrays = (np.zeros(2**20, np.float32) for _ in range(20))  # 4 MiB each
    for found in ordered_map(length, arrays, 2, QUIET, "lengths"):
        assert found == 2**20
        assert shared_memory() == before


def test_a_slow_item_does_not_delay_others(tmp_path):
    numbers = list(ordered_map(functools.partial(wait_for_the_last, tmp_path), range(AHEAD * 2), 2, QUIET, "numbers"))
    assert numbers == list(range(AHEAD * 2))


def wait_for_the_last(folder, number):
    mark, deadline = folder / "last", time.monotonic() + 120
    if number == AHEAD * 2 - 1:
        mark.touch()
    while number == 0 and not mark.exists():
        assert time.monotonic() < deadline, "the last item has not come up"
        time.sleep(0.01)
    return number


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_worker_is_raised_and_the_next_call_works(workers):
    results = ordered_map(functools.partial(fail_at, 3), range(100), workers, QUIET, "numbers")
    with pytest.raises(UserError, match="3: bad"):
        list(results)
    assert list(ordered_map(square, range(3), workers, QUIET, "squares")) == [0, 1, 4]


def test_a_killed_worker_is_reported_with_the_cure():
    with pytest.raises(UserError, match=r"workers = 2: one of these processes was killed.*lower workers"):
        list(ordered_map(functools.partial(kill_at, 5), range(100), 2, QUIET, "numbers"))
    assert list(ordered_map(square, range(3), 2, QUIET, "squares")) == [0, 1, 4]


def test_workers_run_in_the_folder_of_the_call(tmp_path, monkeypatch):
    assert list(ordered_map(square, range(4), 2, QUIET, "squares")) == [0, 1, 4, 9]
    monkeypatch.chdir(tmp_path)
    assert set(ordered_map(folder, range(4), 2, QUIET, "folders")) == {str(tmp_path)}


def folder(_):
    return os.getcwd()


def test_workers_end_when_the_process_that_started_them_is_killed(tmp_path):
    with killed_with_workers(STARTS_TWO.format(folder=str(tmp_path)), tmp_path, 2) as workers:
        assert survivors(workers) == []
