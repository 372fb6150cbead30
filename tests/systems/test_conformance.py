"""What every architecture must do. The architectures are found in systems/; none is listed here."""

import functools
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import optuna
import pytest
import torch

from made_up_cases import LABELS, Case, make_case
from made_up_gpu import STAND_IN, training_on_stand_in
from speech_emotion.errors import UserError
from speech_emotion.export.classifier import WindowClassifier
from speech_emotion.export.graph import export_graph, serialise
from speech_emotion.export.spectra import Spectra
from speech_emotion.learning.loop import Fit
from speech_emotion.learning.scores import unweighted_recall
from speech_emotion.learning.utterances import Utterances
from speech_emotion.params import Section
from speech_emotion.store.arrays import ArrayStore, ArrayWriter
from speech_emotion.systems.base import System
from speech_emotion.systems.catalogue import architecture_class, architectures, load_system, save_system

TOP = Path(__file__).parents[2]

every_architecture = pytest.mark.parametrize("name", architectures())


@functools.cache
def case_of(name: str) -> Case:
    """Made once in each process; the arrays are memory-mapped, so they stay readable after their folder is removed."""
    with tempfile.TemporaryDirectory() as folder:
        return make_case(name, Path(folder))


def fit(name: str, seed: int = 0) -> tuple[System, Fit]:
    case = case_of(name)
    system = case.create()
    return system, system.fit(case.part(0, 24), case.part(24, 30), seed, case.limits())


@functools.cache
def fitted(name: str) -> tuple[System, Fit]:
    return fit(name)


def unseen(name: str) -> Utterances:
    return case_of(name).part(30, 36)


@every_architecture
def test_it_declares_its_name_version_paper_and_params(name):
    cls = architecture_class(name)
    assert issubclass(cls, System) and issubclass(cls.Params, Section)
    assert isinstance(cls.VERSION, int) and cls.VERSION >= 1
    assert (TOP / "papers" / cls.PAPER / "claims.yaml").is_file()


@every_architecture
def test_it_learns_an_easy_task_and_gives_probabilities(name):
    utterances = unseen(name)
    probabilities = fitted(name)[0].predict_proba(utterances)
    assert probabilities.shape == (len(utterances), len(LABELS))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities >= 0).all()
    assert unweighted_recall(probabilities, utterances.targets) > 0.8


@every_architecture
def test_the_same_seed_gives_the_same_result(name):
    first, second = fitted(name)[0], fit(name)[0]
    np.testing.assert_array_equal(first.predict_proba(unseen(name)), second.predict_proba(unseen(name)))
    if architecture_class(name).BY_EPOCH:
        assert not np.array_equal(first.predict_proba(unseen(name)), fit(name, seed=1)[0].predict_proba(unseen(name)))


@every_architecture
def test_a_prediction_depends_neither_on_the_other_utterances_nor_on_their_order(name):
    case, system = case_of(name), fitted(name)[0]
    ids = list(case.targets)[18:]
    together = system.predict_proba(case.utterances(ids))
    reversed_order = system.predict_proba(case.utterances(ids[::-1]))[::-1]
    singly = np.concatenate([system.predict_proba(case.utterances([id])) for id in ids])
    np.testing.assert_allclose(reversed_order, together, atol=1e-5)
    np.testing.assert_allclose(singly, together, atol=1e-5)


@every_architecture
def test_it_predicts_the_same_after_saving_and_loading(name, tmp_path):
    system = fitted(name)[0]
    save_system(system, tmp_path)
    loaded = load_system(tmp_path)
    assert loaded.definition == system.definition
    assert loaded.parameter_count() == system.parameter_count() >= 0
    np.testing.assert_array_equal(loaded.predict_proba(unseen(name)), system.predict_proba(unseen(name)))
    assert not list(tmp_path.glob("*.pkl"))


@every_architecture
def test_it_reports_each_epoch_and_keeps_the_best_if_it_has_epochs(name):
    case, (system, found) = case_of(name), fitted(name)
    if not system.BY_EPOCH:
        assert found.curves == [] and found.best_epoch == 0 and system.temperature > 0
        return
    assert [row["epoch"] for row in found.curves] == list(range(1, len(found.curves) + 1))
    assert len(found.curves) <= case.epochs
    valid = case.part(24, 30)
    kept = unweighted_recall(system.predict_proba(valid), valid.targets)
    assert kept == pytest.approx(found.curves[found.best_epoch - 1]["valid_ua"])


@every_architecture
def test_it_is_fitted_again_without_validation(name):
    case = case_of(name)
    system = case.create()
    found = system.refit(case.part(0, 30), 0, case.limits(max_epochs=2), temperature=1.5)
    assert found.best_epoch == (2 if system.BY_EPOCH else 0) and system.temperature == 1.5
    assert system.predict_proba(unseen(name)).shape == (6, len(LABELS))


@every_architecture
def test_features_of_the_wrong_shape_are_an_error_with_the_cure(name, tmp_path):
    case, system = case_of(name), fitted(name)[0]
    for feature, size in case.dims.items():
        with ArrayWriter(tmp_path / feature) as writer:
            for id in case.targets:
                writer.add(id, np.zeros((50, size + 1)))
        wrong = replace(case.part(0, 36), stores={**case.stores, feature: ArrayStore(tmp_path / feature)})
        message = rf"feature {feature} of u\d\d: shape \(50, {size + 1}\): must be .*{size}.*: name features"
        with pytest.raises(UserError, match=message):
            system.predict_proba(wrong)
        with pytest.raises(UserError, match=message):
            case.create().fit(wrong, None, 0, case.limits(max_epochs=1))


@every_architecture
def test_member_predictions_that_are_missing_or_have_the_wrong_shape_are_an_error(name):
    case = case_of(name)
    for member in case.members if "test" in architecture_class(name).ASKS_MEMBERS_FOR else ():
        utterances = case.part(0, 36)
        others = {other: rows for other, rows in utterances.members.items() if other != member}
        with pytest.raises(UserError, match=f"system {member}: its predictions are missing: train it first"):
            fitted(name)[0].predict_proba(replace(utterances, members=others))
        with pytest.raises(UserError, match=rf"system {member}: predictions of shape \(36, 2\): must be \(36, 3\)"):
            fitted(name)[0].predict_proba(replace(utterances, members={**others, member: np.ones((36, 2))}))


@every_architecture
def test_it_accepts_the_hyperparameters_of_its_search_space(name):
    case, cls = case_of(name), architecture_class(name)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(5):
        suggested = cls.search_space(study.ask())
        assert set(suggested) <= set(cls.Params.model_fields) - {"epochs"}
        assert suggested or not cls.TAKES_FEATURES
        case.create(**suggested)


@every_architecture
def test_the_whole_training_runs_on_the_chosen_device(name, monkeypatch):
    case = case_of(name)
    system, parts, limits = (
        case.create(),
        (case.part(0, 24), case.part(24, 30)),
        case.limits(max_epochs=1, device="cuda"),
    )
    if not system.USES_GPU:
        assert system.fit(*parts, 0, limits).device == "cpu"
        return
    with training_on_stand_in(monkeypatch) as guard:
        found = system.fit(*parts, 0, limits)
    assert found.device == STAND_IN.type
    for part in ("_to_copy", "softmax", "backward"):
        assert any(part in operation for operation in guard.operations), part
    assert {tensor.device.type for tensor in system.network.state_dict().values()} == {"cpu"}


@every_architecture
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_gives_the_same_result_twice_and_nearly_that_of_the_cpu(name):
    case, found = case_of(name), []
    for _ in range(2):
        system = case.create()
        system.fit(case.part(0, 24), case.part(24, 30), 0, case.limits(device="cuda"))
        found.append(system.predict_proba(unseen(name)))
    np.testing.assert_array_equal(*found)
    expected = fitted(name)[0].predict_proba(unseen(name))
    assert (found[0].argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.8


@every_architecture
def test_the_exported_graph_of_a_deployable_system_gives_the_same_probabilities(name):
    case, system = case_of(name), fitted(name)[0]
    if system.not_deployable:
        assert len(system.not_deployable) > 10
        return
    assert system.window_samples == max(
        (system.params.window_frames - 1) * feature.hop + feature.frame for feature in case.definitions.values()
    )
    samples = 0.1 * torch.randn(1, system.window_samples, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = system.waveform_classifier()(samples).numpy()
    np.testing.assert_allclose(expected.sum(), 1, atol=1e-5)
    graph = export_graph(WindowClassifier(system), system.window_samples, 13, Spectra)
    session = onnxruntime.InferenceSession(serialise(graph.model))
    np.testing.assert_allclose(session.run(None, {"waveform": samples.numpy()})[0], expected, atol=1e-3)
