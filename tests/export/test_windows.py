from types import SimpleNamespace

import numpy as np
import pytest

from speech_emotion.export.windows import frame_hop, speech_windows, spread, waveform_windows

SYSTEM = SimpleNamespace(
    window_samples=10, hop_samples=6, params=SimpleNamespace(window_frames=4, hop_frames=3)
)  # frames of 4 samples, 2 apart


def test_frame_hop_is_the_features_own():
    assert frame_hop(SYSTEM) == 2


def test_windows_are_a_hop_apart_and_one_more_ends_with_the_last_whole_frame():
    starts = [int(window[0]) for window in waveform_windows(SYSTEM, np.arange(21), 0)]
    assert starts == [0, 6, 10]  # 19 samples would omit a frame, 21 hold no further one


def test_last_window_is_not_taken_twice():
    assert [int(window[0]) for window in waveform_windows(SYSTEM, np.arange(17), 0)] == [0, 6]


def test_short_waveform_is_repeated_until_it_fills_one_window():
    (window,) = waveform_windows(SYSTEM, np.array([1, 2, 3]), 0)
    assert window.tolist() == [1, 2, 3, 1, 2, 3, 1, 2, 3, 1]


def test_short_waveform_is_repeated_to_the_length_of_its_features():
    starts = [int(window[0]) for window in waveform_windows(SYSTEM, np.arange(12), 21)]
    assert starts == [0, 6, 10]


@pytest.mark.parametrize(("count", "expected"), [(2, ["a", "c"]), (4, ["a", "b", "c", "d"]), (9, ["a", "b", "c", "d"])])
def test_spread_takes_evenly_spaced_ids(count, expected):
    assert spread(["a", "b", "c", "d"], count) == expected


def test_speech_windows_are_from_beginnings_and_later_parts():
    waveforms = {"a": np.arange(30), "b": np.arange(30) + 100, "c": np.arange(5)}
    found = speech_windows(SYSTEM, waveforms, ["a", "b", "c"], 3, 0)
    assert [int(window[0]) for window in found] == [0, 106, 0]
    assert {len(window) for window in found} == {10}


def test_windows_match_those_of_training():
    from speech_emotion.features.frontend import frame_count
    from speech_emotion.learning.windows import window_starts

    for samples in range(10, 60):
        expected = [start * 2 for start in window_starts(frame_count(samples, 4, 2), 4, 3)]
        assert [int(window[0]) for window in waveform_windows(SYSTEM, np.arange(samples), 0)] == expected
