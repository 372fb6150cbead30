import os

import joblib
import numpy as np
import pytest

from speech_emotion.parallel import ordered_map
from speech_emotion.randomness import generator
from speech_emotion.recorder import Recorder


def test_draws_depend_only_on_seed_and_key():
    assert generator(1, "a", "pitch").random() == generator(1, "a", "pitch").random()
    draws = [
        generator(*key).random() for key in ((1, "a", "pitch"), (2, "a", "pitch"), (1, "b", "pitch"), (1, "a", "snr"))
    ]
    assert len(set(draws)) == 4


def test_key_parts_are_kept_apart():
    assert generator(1, "ab", "c").random() != generator(1, "a", "bc").random()


def _square(x):
    return x * x


def _fail(x):
    raise ValueError(f"bad {x}")


def test_results_come_in_order_with_any_number_of_workers():
    items = list(range(20))
    one, two = (list(ordered_map(_square, items, workers, Recorder(quiet=True), "t")) for workers in (1, 2))
    assert one == two == [x * x for x in items]


def test_a_failure_in_a_worker_is_raised_here():
    with pytest.raises(ValueError, match="bad"):
        list(ordered_map(_fail, [1, 2], 2, Recorder(quiet=True), "t"))


def test_workers_have_one_thread():
    threads = list(ordered_map(_threads, [0], 2, Recorder(quiet=True), "t"))
    assert threads == [1]


def _threads(_):
    import torch

    assert np.ones((8, 8)).sum() == 64 and joblib
    return torch.get_num_threads()


def test_workers_run_in_the_current_folder_of_the_caller(tmp_path, monkeypatch):
    for name in "ab":
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert list(ordered_map(_folder, [0, 1], 2, Recorder(quiet=True), "t")) == [name, name]


def _folder(_):
    return os.path.basename(os.getcwd())
