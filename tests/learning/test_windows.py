import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_emotion.errors import UserError
from speech_emotion.learning.sequences import utterance_means
from speech_emotion.learning.utterances import Utterances
from speech_emotion.learning.windows import Windows, window_starts
from speech_emotion.store.arrays import ArrayStore, ArrayWriter


@given(st.integers(0, 500), st.integers(1, 100), st.integers(1, 60))
def test_windows_cover_every_frame_when_they_overlap_or_touch(frames, length, hop):
    starts = window_starts(frames, length, hop)
    if frames < length:
        assert starts == []
        return
    assert starts == sorted(set(starts)) and starts[0] == 0 and starts[-1] == frames - length
    if hop <= length:
        covered = {frame for start in starts for frame in range(start, start + length)}
        assert covered == set(range(frames))


@pytest.fixture
def stores(tmp_path):
    """Two features whose values encode utterance, version and frame; lengths 10, 7 and 4 frames."""
    for name, dims in (("a", 2), ("b", 1)):
        with ArrayWriter(tmp_path / name) as writer:
            for n, frames in enumerate((10, 7, 4)):
                values = np.arange(frames)[:, np.newaxis] + 100 * n + np.zeros((1, dims))
                writer.add(f"u{n}", values)
                writer.add(f"u{n}#1", values + 1000, source=f"u{n}")
    return {name: ArrayStore(tmp_path / name) for name in "ab"}


DIMS = {"a": 2, "b": 1}


def _windows(stores, one=False, copies=False):
    return Windows(_some(stores, ["u0", "u1", "u2"], copies), DIMS, length=4, hop=3, one=one)


def _some(stores, ids, copies=False):
    return Utterances(ids, np.arange(len(ids)), stores, copies)


def test_an_epoch_over_all_windows_holds_each_once_with_its_target(stores):
    seen = []
    for batch in _windows(stores).training_batches(size=2, seed=0, epoch=1):
        features, targets = batch.features, batch.targets
        assert set(features) == {"a", "b"} and features["a"].shape[1:] == (4, 2)
        np.testing.assert_array_equal(features["a"][..., :1], features["b"])
        seen += [(int(window[0, 0]), int(target)) for window, target in zip(features["a"], targets, strict=True)]
    assert sorted(seen) == [(0, 0), (3, 0), (6, 0), (100, 1), (103, 1), (200, 2)]


def test_an_epoch_with_one_window_draws_one_of_each_version(stores):
    firsts = set()
    for epoch in range(80):
        for batch in _windows(stores, one=True, copies=True).training_batches(8, seed=0, epoch=epoch):
            assert len(batch.targets) == 6
            firsts |= {int(window[0, 0]) for window in batch.features["a"]}
    assert {first // 1000 for first in firsts} == {0, 1}
    assert {first for first in firsts if first < 100} == set(range(7))


def test_copies_are_used_only_if_the_utterances_ask_for_them(stores):
    for epoch in range(20):
        for batch in _windows(stores, one=True).training_batches(8, seed=0, epoch=epoch):
            assert float(batch.features["a"].max()) < 1000


def test_the_order_depends_only_on_seed_and_epoch(stores):
    def order(seed, epoch):
        return [batch.targets.tolist() for batch in _windows(stores).training_batches(1, seed, epoch)]

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2) or order(0, 1) != order(1, 1)


def test_statistics_cover_all_frames_without_copies(stores):
    frames = np.concatenate([np.arange(10), np.arange(7) + 100, np.arange(4) + 200])
    found = _windows(stores, copies=True).statistics()["b"]
    np.testing.assert_allclose(found.mean, frames.mean())
    np.testing.assert_allclose(found.std, frames.std())
    assert (found.low, found.high) == (0, 203)


def test_predictions_use_all_windows_in_order(stores):
    owners = np.concatenate([batch.owners for batch in _windows(stores).prediction_batches(4)])
    assert owners.tolist() == [0, 0, 0, 1, 1, 2]
    means = utterance_means(np.arange(6.0)[:, np.newaxis], owners, 3)
    np.testing.assert_allclose(means[:, 0], [1, 3.5, 5])


def test_the_error_names_an_utterance_without_features(stores):
    with pytest.raises(UserError, match="has no a of u9: run the features step again"):
        Windows(_some(stores, ["u9"]), DIMS, 4, 3)


def test_the_error_names_an_utterance_that_is_too_short(stores):
    with pytest.raises(UserError, match="u2: 4 frames are fewer than a window of 5"):
        Windows(_some(stores, ["u2"]), DIMS, 5, 3)
