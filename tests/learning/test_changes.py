"""Random changes of a row depend only on seed, epoch and utterance."""

import numpy as np
import pytest

from made_up_cases import make_case
from speech_emotion.layers.normalisation import Statistics
from speech_emotion.learning.changes import Changes
from speech_emotion.learning.options import NetworkParams
from speech_emotion.learning.padded import Padded
from speech_emotion.learning.windows import Windows

STATISTICS = {
    name: Statistics(np.full(8, 5.0), np.full(8, 2.0), np.zeros(8), np.ones(8)) for name in ("image", "contour")
}
ROW = {name: np.zeros((50, 8), np.float32) for name in STATISTICS}


def _changes(seed=0, **options):
    params = NetworkParams(epochs=1, batch_size=4, learning_rate=0.1, **options)
    return Changes(params, STATISTICS, ["image"], seed)


def test_neutral_options_change_nothing():
    assert not Changes.wanted(NetworkParams(epochs=1, batch_size=4, learning_rate=0.1))
    np.testing.assert_equal(_changes().changed(1, "a", ROW), ROW)


def test_gain_shifts_all_frames_equally_by_at_most_the_given_deviations():
    for key in "abcdef":
        changed = _changes(gain=0.5).changed(1, key, ROW)["image"]
        assert np.ptp(changed) < 1e-6 and 0 < abs(changed[0, 0]) <= 1.0


def test_noise_has_the_given_deviation():
    assert _changes(noise=0.5).changed(1, "a", ROW)["image"].std() == pytest.approx(1.0, rel=0.15)


def test_time_masks_hide_the_same_frames_of_all_features_and_frequency_masks_only_bands_of_spectra():
    row = {name: np.random.default_rng(0).normal(size=(50, 8)) for name in STATISTICS}
    changed = _changes(time_masks=1, time_mask_share=0.5).changed(1, "a", row)
    hidden = {name: (array == 5).all(axis=1) for name, array in changed.items()}
    assert 0 < hidden["image"].sum() <= 25 and (hidden["image"] == hidden["contour"]).all()
    changed = _changes(frequency_masks=1, frequency_mask_share=0.9).changed(1, "b", row)
    assert (changed["image"] == 5).all(axis=0).any() and not (changed["contour"] == 5).any()


def test_draws_differ_by_seed_epoch_and_utterance():
    of = [
        _changes(noise=1.0).changed(epoch, key, ROW)["image"] for epoch, key in ((1, "a"), (1, "a"), (2, "a"), (1, "b"))
    ]
    other = _changes(seed=1, noise=1.0).changed(1, "a", ROW)["image"]
    np.testing.assert_array_equal(of[0], of[1])
    assert all(not np.array_equal(of[0], one) for one in (of[2], of[3], other))


def _rows(sequences, options, classes=3):
    """Utterance -> features and target of each of its rows in an epoch."""
    changes = Changes(options, sequences.statistics(), [], seed=0)
    shares = np.eye(classes, dtype=np.float32)[sequences.targets]
    found = {}
    for batch in sequences.training_batches(options.batch_size, 0, 1, changes, shares):
        for row, owner in enumerate(batch.owners):
            frames = None if batch.lengths is None else int(batch.lengths[row])
            values = next(iter(batch.features.values()))[row, :frames].numpy()
            found.setdefault(sequences.utterances.ids[owner], []).append((values, batch.targets[row].numpy()))
    return {id: sorted(rows, key=lambda row: row[0].tolist()) for id, rows in found.items()}


@pytest.mark.parametrize("kind", ["windows", "padded"])
def test_changes_of_a_row_depend_neither_on_order_nor_on_the_other_rows(tmp_path, kind):
    case = make_case("cnn-attention", tmp_path, count=9)
    options = NetworkParams(epochs=1, batch_size=4, learning_rate=0.1, mixup=0.5, gain=1.0, noise=0.5, time_masks=2)

    def rows(ids, size):
        utterances = case.utterances(ids)
        made = Windows(utterances, case.dims, 16, 8) if kind == "windows" else Padded(utterances, case.dims)
        return _rows(made, options.model_copy(update={"batch_size": size}))

    ids = list(case.targets)
    one, two = rows(ids, 3), rows(ids[::-1], 9)
    assert one.keys() == two.keys() and len(one) == 9
    for id in ids:
        for (values, target), (others, other) in zip(one[id], two[id], strict=True):
            np.testing.assert_allclose(values, others, atol=1e-5)
            np.testing.assert_allclose(target, other, atol=1e-6)
    mixed = [target for of_id in one.values() for _, target in of_id]
    assert np.allclose(np.sum(mixed, axis=1), 1) and any(0 < target.max() < 1 for target in mixed)


def test_a_padded_partner_has_the_length_of_the_row(tmp_path):
    case = make_case("cnn-attention", tmp_path, count=4)
    sequences = Padded(case.part(0, 4), case.dims)
    partner = sequences.partner(0, 300, np.random.default_rng(0))
    assert {len(array) for array in partner.values()} == {300}
