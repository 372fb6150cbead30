"""Changed models are fine-tuned on training speakers, with early stopping on inner speakers and no test speaker."""

import pytest
import torch

from made_up_experiment import guarded
from speech_emotion.export.fine_tune import epochs_for_shipping, tuned_on_fold
from speech_emotion.export.prune_fitting import PURPOSE, smaller
from speech_emotion.params import Prune
from speech_emotion.training.fitting import predict

PRUNE = Prune(share=0.5, epochs=2, learning_rate=0.5)


def test_fine_tuning_sees_no_test_speaker_and_repeats(experiment, fold, trained):
    cut = smaller(trained, 0.5)
    stores = guarded(experiment, fold.test)
    with pytest.raises(AssertionError, match="was looked at"):
        predict(trained, experiment, stores, fold.test)
    tuned, epochs = tuned_on_fold(cut, experiment, stores, fold, PRUNE, PURPOSE, seed=0)
    again, _ = tuned_on_fold(cut, experiment, stores, fold, PRUNE, PURPOSE, seed=0)
    other, _ = tuned_on_fold(cut, experiment, stores, fold, PRUNE, PURPOSE, seed=1)
    assert 1 <= epochs <= 2
    weights = [dict(one.network.state_dict()) for one in (cut, tuned, again, other)]
    same = [all(torch.equal(one[name], weights[1][name]) for name in one) for one in weights]
    assert same == [False, True, True, False]  # batches and dropout depend on the seed
    assert [one.parameter_count() for one in (tuned, again)] == [cut.parameter_count()] * 2
    assert not tuned.network.training


def test_fine_tuning_starts_from_the_pruned_weights_at_its_own_rate(experiment, fold, trained):
    cut = smaller(trained, 0.5)
    one_epoch = PRUNE.model_copy(update={"epochs": 1})

    def moved(rate):
        tuned, _ = tuned_on_fold(
            cut,
            experiment,
            experiment.stores(),
            fold,
            one_epoch.model_copy(update={"learning_rate": rate}),
            PURPOSE,
            seed=0,
        )
        before, after = (dict(one.network.named_parameters()) for one in (cut, tuned))
        return max(float((after[name] - before[name]).abs().max().detach()) for name in before)

    steps = 4  # batches of eight at most; each changes a weight by about the learning rate
    assert 0 < moved(0.001) <= 1.5e-6 * steps < moved(1.0)


def test_shipped_model_is_tuned_for_the_median_of_the_folds_epochs():
    assert [epochs_for_shipping(epochs) for epochs in ([7, 1, 3], [4, 2], [0])] == [3, 3, 1]
