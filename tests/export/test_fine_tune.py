"""Pruned models are trained further: on their own training speakers, early stopping on inner ones, no test speaker."""

import numpy as np
import pytest
import torch

from made_up_results import LABELS, utterances
from speech_emotion.corpora.splits import Fold
from speech_emotion.errors import UserError
from speech_emotion.export.fine_tune import FoldJob, prune_fold, prune_for_shipping, smaller, tuned_on_fold
from speech_emotion.features.extraction import compute
from speech_emotion.params import Prune, load_params
from speech_emotion.recorder import Recorder
from speech_emotion.store.arrays import ArrayStore, ArrayWriter
from speech_emotion.systems.catalogue import save_system
from speech_emotion.training.fitting import Experiment, fit_system, predict

PARAMS = load_params()
SMALL = {**PARAMS.systems["t1"], "units": 8, "batch_size": 8}
PRUNE = Prune(share=0.5, epochs=2, learning_rate=0.5)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Noise of two colours for speech of four speakers, as T1 sees it."""
    folder, draws = tmp_path_factory.mktemp("features"), np.random.default_rng(0)
    rows = utterances(speakers=("f1", "m1", "f2", "m2"), each=1)
    needs = PARAMS.needs["t1"]
    waveforms = {row.id: np.cumsum(draws.standard_normal(49600)) * 1e-3 for row in rows}
    for name in needs.features:
        with ArrayWriter(folder / "plain" / name) as writer:
            for id, waveform in waveforms.items():
                writer.add(id, compute(name, waveform.astype(np.float32), PARAMS.features, 16000))
    return Experiment(
        corpus="emodb",
        protocol="emodb-loso",
        system="t1",
        needs=needs,
        recipe=PARAMS.preprocess.recipes["plain"],
        definitions={name: PARAMS.features[name] for name in needs.features},
        features=folder,
        sample_rate=16000,
        labels=LABELS,
        targets={row.id: LABELS.index(row.emotion) for row in rows},
        max_epochs=2,
        patience=2,
    )


@pytest.fixture(scope="module")
def fold(experiment):
    def of(*speakers):
        return tuple(sorted(id for id in experiment.targets if id.split("/")[1] in speakers))

    return Fold("m1", train=of("f2", "m2"), valid=of("f1"), test=of("m1"))


@pytest.fixture(scope="module")
def trained(experiment, fold):
    stores = experiment.stores()
    system = experiment.create(SMALL, stores)
    fit_system(system, experiment, stores, fold.train, fold.valid, seed=1)
    return system


class Guarded(ArrayStore):
    """Features of which some may not be looked at."""

    forbidden: frozenset[str] = frozenset()

    def __getitem__(self, id):
        assert id not in self.forbidden, f"{id} was looked at"
        return super().__getitem__(id)


def guarded(experiment, ids):
    stores = {name: Guarded(store.folder) for name, store in experiment.stores().items()}
    for store in stores.values():
        store.forbidden = frozenset(ids)
    return stores


def test_fine_tuning_sees_no_test_speaker_and_repeats(experiment, fold, trained):
    cut = smaller(trained, 0.5)
    stores = guarded(experiment, fold.test)
    with pytest.raises(AssertionError, match="was looked at"):
        predict(trained, experiment, stores, fold.test)
    tuned, epochs = tuned_on_fold(cut, experiment, stores, fold, PRUNE, seed=0)
    again, _ = tuned_on_fold(cut, experiment, stores, fold, PRUNE, seed=0)
    other, _ = tuned_on_fold(cut, experiment, stores, fold, PRUNE, seed=1)
    assert 1 <= epochs <= 2
    weights = [dict(one.network.state_dict()) for one in (cut, tuned, again, other)]
    same = [all(torch.equal(one[name], weights[1][name]) for name in one) for one in weights]
    assert same == [False, True, True, False]  # the draws of batches and dropout hang on the seed
    assert [one.parameter_count() for one in (tuned, again)] == [cut.parameter_count()] * 2
    assert not tuned.network.training


def test_fine_tuning_starts_from_the_pruned_weights_at_its_own_rate(experiment, fold, trained):
    cut = smaller(trained, 0.5)
    one_epoch = PRUNE.model_copy(update={"epochs": 1})

    def moved(rate):
        tuned, _ = tuned_on_fold(
            cut, experiment, experiment.stores(), fold, one_epoch.model_copy(update={"learning_rate": rate}), seed=0
        )
        before, after = (dict(one.network.named_parameters()) for one in (cut, tuned))
        return max(float((after[name] - before[name]).abs().max().detach()) for name in before)

    steps = 4  # batches of eight among the windows at most, each of them moves a weight by about the learning rate
    assert 0 < moved(0.001) <= 1.5e-6 * steps < moved(1.0)


def test_folds_models_say_for_how_long_the_shipped_one_is_tuned(experiment, fold, trained, tmp_path):
    save_system(trained, tmp_path / "m1-0")
    found = prune_fold(job := FoldJob(tmp_path / "m1-0", experiment, fold, 0, PRUNE))
    assert found.whole.shape == found.cut.shape == found.tuned.shape == (len(fold.test), len(LABELS))
    np.testing.assert_allclose(found.whole, predict(trained, experiment, experiment.stores(), fold.test), atol=1e-6)
    assert not np.allclose(found.whole, found.cut) and not np.allclose(found.cut, found.tuned)
    shipped, facts = prune_for_shipping(trained, [job], 1, Recorder(quiet=True))
    assert (facts["epochs"], facts["share"], facts["folds"]) == (found.epochs, 0.5, 1)
    assert facts["parameters"] == shipped.parameter_count() < trained.parameter_count()
    assert set(facts["tuned"]) == {"ua", "wa"}


def test_recurrent_system_is_refused_before_any_work(experiment, fold, trained, tmp_path):
    job = FoldJob(tmp_path / "none", experiment, fold, 0, PRUNE)
    system = experiment.create(SMALL, experiment.stores())
    system.network = torch.nn.Identity()
    with pytest.raises(UserError, match=r"export\.prune\.share = 0\.5: Identity is recurrent, or"):
        prune_for_shipping(system, [job], 1, Recorder(quiet=True))
