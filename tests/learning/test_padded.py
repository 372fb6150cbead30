"""Batches of whole utterances."""

import numpy as np
import pytest

from speech_emotion.learning.padded import Padded
from speech_emotion.learning.utterances import Utterances
from speech_emotion.store.arrays import ArrayStore, ArrayWriter

LENGTHS = [30, 4, 28, 6, 5, 31, 29, 7]


@pytest.fixture
def sequences(tmp_path):
    for name, more in (("a", 0), ("b", 1)):
        with ArrayWriter(tmp_path / name) as writer:
            for n, frames in enumerate(LENGTHS):
                writer.add(f"u{n}", np.full((frames + more, 2), n + 1.0))
    stores = {name: ArrayStore(tmp_path / name) for name in "ab"}
    return Padded(Utterances([f"u{n}" for n in range(len(LENGTHS))], np.arange(len(LENGTHS)), stores), {"a": 2, "b": 2})


def test_an_epoch_holds_each_utterance_once_padded_with_zeros(sequences):
    seen = []
    for batch in sequences.training_batches(3, seed=0, epoch=1):
        for row, owner in enumerate(batch.owners):
            frames = int(batch.lengths[row])
            assert frames == LENGTHS[owner] and int(batch.targets[row]) == owner
            for feature in batch.features.values():
                assert feature.shape[1] == int(batch.lengths.max())
                assert (feature[row, :frames] == owner + 1).all() and (feature[row, frames:] == 0).all()
            seen.append(owner)
    assert sorted(seen) == list(range(len(LENGTHS)))


def test_a_batch_holds_utterances_of_similar_length(sequences):
    for batches in (sequences.training_batches(4, seed=0, epoch=1), sequences.prediction_batches(4)):
        assert {tuple(sorted(batch.lengths.tolist())) for batch in batches} == {(4, 5, 6, 7), (28, 29, 30, 31)}


def test_epochs_are_shuffled(sequences):
    def order(epoch):
        return [int(owner) for batch in sequences.training_batches(2, 0, epoch) for owner in batch.owners]

    assert order(1) == order(1) and len({tuple(order(epoch)) for epoch in range(4)}) > 1


def test_a_batch_of_one_is_left_out_unless_batches_have_that_size(sequences):
    assert sum(len(batch.owners) for batch in sequences.training_batches(7, 0, 1)) == 7
    assert sum(len(batch.owners) for batch in sequences.training_batches(1, 0, 1)) == 8
