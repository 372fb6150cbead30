import numpy as np
import pytest

from speech_emotion.errors import UserError
from speech_emotion.export.footprint import process_memory, window_milliseconds
from speech_emotion.export.graph import serialise


def test_every_window_is_timed(graph, windows):
    model = serialise(graph.model)
    found = window_milliseconds({"one": model, "other": model}, windows[:7])
    assert [len(times) for times in found.values()] == [7, 7]
    assert min(found["one"]) > 0


def test_memory_is_that_of_a_new_process(graph, windows):
    held = np.ones(200 << 20, np.uint8)  # memory of this process does not count
    assert 20e6 < process_memory(serialise(graph.model), windows) < 150e6
    assert held.all()


def test_a_model_that_cannot_be_loaded_is_refused(windows):
    with pytest.raises(UserError, match="model cannot be measured: "):
        process_memory(b"no model", windows)
