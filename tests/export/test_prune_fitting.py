"""What pruning and fine-tuning cost over the folds, and what is shipped."""

import numpy as np
import pytest
import torch

from made_up_results import LABELS
from speech_emotion.errors import UserError
from speech_emotion.export.fine_tune import FoldModel, with_network
from speech_emotion.export.prune_fitting import PruneJob, prune_fold, prune_for_shipping
from speech_emotion.params import Prune
from speech_emotion.recorder import Recorder
from speech_emotion.systems.catalogue import save_system
from speech_emotion.training.fitting import predict

PRUNE = Prune(share=0.5, epochs=2, learning_rate=0.5)


def test_shipped_model_is_tuned_for_the_folds_epochs(experiment, fold, trained, tmp_path):
    save_system(trained, tmp_path / "m1-0")
    model = FoldModel(tmp_path / "m1-0", experiment, fold, 0)
    found = prune_fold(PruneJob(model, PRUNE))
    assert found.whole.shape == found.cut.shape == found.tuned.shape == (len(fold.test), len(LABELS))
    np.testing.assert_allclose(found.whole, predict(trained, experiment, experiment.stores(), fold.test), atol=1e-6)
    assert not np.allclose(found.whole, found.cut) and not np.allclose(found.cut, found.tuned)
    shipped, facts = prune_for_shipping(trained, [model], PRUNE, 1, Recorder(quiet=True))
    assert (facts["epochs"], facts["share"], facts["folds"]) == (found.epochs, 0.5, 1)
    assert facts["parameters"] == shipped.parameter_count() < trained.parameter_count()
    assert set(facts["tuned"]) == {"ua", "wa"}


def test_recurrent_system_is_refused_before_any_work(experiment, fold, trained, tmp_path):
    model = FoldModel(tmp_path / "none", experiment, fold, 0)
    system = with_network(trained, torch.nn.Identity())
    with pytest.raises(UserError, match=r"export\.prune\.share = 0\.5: Identity is recurrent, or"):
        prune_for_shipping(system, [model], PRUNE, 1, Recorder(quiet=True))
