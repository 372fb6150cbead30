"""Fine-tuning for INT8: when it is done, on which speakers, which speakers decide, and what is kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from made_up_experiment import PARAMS, guarded
from made_up_gpu import STAND_IN, training_on_stand_in
from speech_emotion.export import quantisation_aware_fitting as fitting
from speech_emotion.export.fine_tune import FoldModel
from speech_emotion.export.quantisation_aware_fitting import QatJob, aware_on_fold, qat_fold, qat_for_shipping
from speech_emotion.recorder import Recorder
from speech_emotion.systems.catalogue import save_system
from speech_emotion.training.fitting import predict

QAT = PARAMS.export.qat.model_copy(update={"epochs": 2, "learning_rate": 0.5})
FORMS = ("fp32", "int8", "int8-cpu")


@pytest.fixture
def model(experiment, fold, trained, tmp_path):
    save_system(trained, tmp_path / "m1-0")
    return FoldModel(tmp_path / "m1-0", experiment, fold, 0)


@pytest.fixture
def job(model, experiment):
    export = PARAMS.export.model_copy(update={"calibration_windows": 4, "qat": QAT})
    return QatJob(model, experiment.features.parent / "preprocess" / "plain", 49600, export)


def answers(experiment, ids, right):
    """Probabilities that are right for the first `right` utterances and wrong for the others."""
    classes = experiment.classes(ids)
    classes[right:] = (classes[right:] + 1) % len(experiment.labels)
    return np.eye(len(experiment.labels))[classes]


@pytest.fixture
def folds_say(monkeypatch, experiment, fold):
    """Sets how many of a fold's inner and test utterances each form gets right, before and after fine-tuning."""

    def set_right(**right):
        def found(job):
            names = ["qat-int8", "qat-int8-cpu"] if job.tune else FORMS
            said = {
                part: {name: answers(experiment, ids, right[name][place]) for name in names}
                for place, (part, ids) in enumerate((("inner", fold.valid), ("test", fold.test)))
            }
            return said, 2 * job.tune

        right = {name.replace("_", "-"): values for name, values in right.items()}
        monkeypatch.setattr(fitting, "qat_fold", found)

    return set_right


def test_fine_tuning_for_int8_sees_no_test_speaker_and_repeats(model, trained):
    stores = guarded(model.experiment, model.fold.test)
    with pytest.raises(AssertionError, match="was looked at"):
        predict(trained, model.experiment, stores, model.fold.test)
    tuned, epochs = aware_on_fold(trained, model, stores, QAT)
    again, _ = aware_on_fold(trained, model, stores, QAT)
    before, after, repeated = (one.network.state_dict() for one in (trained, tuned, again))
    assert 1 <= epochs <= 2
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], repeated[name]) for name in after)
    assert not torch.equal(after["streams.0.dense.1.weight"], before["streams.0.dense.1.weight"])


def test_rounding_happens_on_the_device_that_trains(model, trained, monkeypatch):
    asked = replace(model, experiment=replace(model.experiment, device="cuda", max_epochs=1))
    with training_on_stand_in(monkeypatch) as guard:
        tuned, _ = aware_on_fold(trained, asked, model.experiment.stores(), QAT)
    assert {"round", "clamp"} <= guard.operations
    assert {tensor.device.type for tensor in tuned.network.state_dict().values()} == {"cpu"} != {STAND_IN.type}


def test_forms_are_evaluated_on_inner_and_test_speakers(job, model, trained):
    plain, none = qat_fold(job)
    tuned, epochs = qat_fold(replace(job, tune=True))
    assert none == 0 < epochs
    ids = {"inner": model.fold.valid, "test": model.fold.test}
    stores = model.experiment.stores()
    for part in ids:
        assert list(plain[part]) == ["int8", "int8-cpu", "fp32"]
        assert list(tuned[part]) == ["qat-int8", "qat-int8-cpu"]
        exact = predict(trained, model.experiment, stores, ids[part])
        np.testing.assert_allclose(plain[part]["fp32"], exact, atol=1e-6)
        for form in FORMS[1:]:
            assert 0 < np.abs(plain[part][form] - exact).max() < 0.05
            assert not np.allclose(tuned[part][f"qat-{form}"], plain[part][form], atol=1e-6)


def test_nothing_is_fine_tuned_if_calibration_loses_little(job, trained, folds_say, capsys):
    folds_say(fp32=(3, 3), int8=(3, 0), int8_cpu=(3, 3))  # the loss on test speakers does not count
    system, facts = qat_for_shipping(trained, [job], 1, Recorder())
    assert system is None
    assert (facts["done"], facts["loss"]["inner"], facts["folds"], facts["seed"]) == ("not needed", 0, 1, 0)
    assert facts["loss"]["test"] > 0 and "epochs" not in facts and "qat-int8" not in facts["inner"]
    assert "INT8 by calibration loses 0 points of UA" in capsys.readouterr().err


def test_an_improvement_on_inner_speakers_is_kept_and_shipped(job, trained, folds_say, capsys):
    folds_say(fp32=(4, 4), int8=(4, 4), int8_cpu=(1, 4), qat_int8=(3, 1), qat_int8_cpu=(3, 1))
    system, facts = qat_for_shipping(trained, [job], 1, Recorder())
    assert (facts["done"], facts["epochs"]) == ("kept", 2)
    assert facts["inner"]["qat-int8"]["ua"] > facts["inner"]["int8-cpu"]["ua"]
    assert facts["test"]["qat-int8"]["ua"] < facts["test"]["int8"]["ua"]  # reported, but not the reason
    before, after = trained.network.state_dict(), system.network.state_dict()
    assert before.keys() == after.keys() and type(system.network) is type(trained.network)
    assert not torch.equal(after["streams.1.spectral.1.weight"], before["streams.1.spectral.1.weight"])
    assert "kept (on test speakers" in capsys.readouterr().err


def test_without_an_improvement_on_inner_speakers_nothing_is_kept(job, trained, folds_say, capsys):
    folds_say(fp32=(4, 1), int8=(4, 1), int8_cpu=(2, 1), qat_int8=(4, 4), qat_int8_cpu=(2, 4))
    system, facts = qat_for_shipping(trained, [job], 1, Recorder())
    assert system is None
    assert facts["done"] == "no better"
    assert facts["test"]["qat-int8"]["ua"] > facts["test"]["int8"]["ua"]
    assert "no better, not kept" in capsys.readouterr().err
