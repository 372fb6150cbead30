"""One suite that every system passes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from made_up_gpu import STAND_IN, training_on_stand_in
from speech_emotion.learning.scores import unweighted_recall
from speech_emotion.params import load_params
from speech_emotion.store.arrays import ArrayWriter
from speech_emotion.systems.base import System
from speech_emotion.systems.catalogue import create_system, load_system, save_system, system_class
from speech_emotion.systems.estimator import EstimatorSystem
from speech_emotion.systems.network import NetworkSystem
from speech_emotion.training.fitting import Experiment, fit_system, predict

TOP = Path(__file__).parents[2]
PARAMS = load_params(TOP / "params.yaml")
SYSTEMS = sorted(PARAMS.systems)
LABELS = ("anger", "neutral", "sadness")
SMALL = {"w1": {"window_frames": 16, "hop_frames": 8, "batch_size": 8, "learning_rate": 1e-3}}
SMALL["k2"] = {"units": 16, "batch_size": 32}
SMALL["t1"] = {
    "average": 0.5,
    "channels": 4,
    "units": 8,
    "window_frames": 32,
    "hop_frames": 16,
    "batch_size": 8,
    "learning_rate": 3e-3,
}
EPOCHS = {"w1": 16, "k2": 4, "t1": 30}


def _dims(name):
    feature = PARAMS.features[name]
    if feature.kind == "statistics":
        return 40
    size = {"spectrogram": feature.n_bands, "mspec": feature.n_mels, "mfcc": feature.n_mfcc}.get(feature.kind, 1)
    return size * (1 + feature.deltas)


@pytest.fixture(scope="module", params=SYSTEMS)
def case(request, tmp_path_factory):
    """A system's experiment on made-up features whose classes differ in level and, where there is time, in rhythm."""
    id = request.param
    folder = tmp_path_factory.mktemp(id)
    needs = PARAMS.needs[id]
    rng = np.random.default_rng(0)
    targets = {f"u{n:02d}": n % len(LABELS) for n in range(36)}
    for name in needs.features:
        statistics = PARAMS.features[name].kind == "statistics"
        with ArrayWriter(folder / needs.recipe / name) as writer:
            for utterance, target in targets.items():
                shape = (_dims(name),) if statistics else (int(rng.integers(40, 60)), _dims(name))
                level = np.linspace(-1, 1, _dims(name)) if target == 2 else 2.0 * target - 1.0
                array = rng.normal(size=shape) + 1.5 * level
                if not statistics:  # for systems that take the level off
                    array += target * np.sin(np.arange(len(array)) * np.pi / (3 + 3 * target))[:, np.newaxis]
                writer.add(utterance, array)
    experiment = Experiment(
        corpus="demo",
        protocol="demo-speakers",
        system=id,
        needs=needs.model_copy(update={"copies": 0}),
        recipe=PARAMS.preprocess.recipes[needs.recipe],
        definitions={name: PARAMS.features[name] for name in needs.features},
        features=folder,
        sample_rate=PARAMS.preprocess.sample_rate,
        labels=LABELS,
        targets=targets,
        max_epochs=EPOCHS.get(id, 1),
        patience=15,
    )
    ids = sorted(targets)
    hyperparameters = {**PARAMS.systems[id], **SMALL.get(id, {})}
    return id, experiment, hyperparameters, (ids[:24], ids[24:30], ids[30:])


@pytest.fixture(scope="module")
def fitted(case):
    return _fit(case)


def _fit(case, seed=0):
    _, experiment, hyperparameters, (train, valid, test) = case
    stores = experiment.stores()
    system = experiment.create(hyperparameters, stores)
    fit = fit_system(system, experiment, stores, train, valid, seed)
    return system, fit, predict(system, experiment, stores, test)


def test_it_names_itself_and_its_paper(case):
    cls = system_class(case[0])
    assert cls.TITLE.lower().startswith(case[0])
    assert (TOP / "papers" / cls.PAPER / "claims.yaml").is_file()
    assert "`" not in cls.TITLE and issubclass(cls, System)


def test_it_learns_what_is_easy_and_gives_probabilities(case, fitted):
    _, experiment, _, (_, _, test) = case
    _, _, probabilities = fitted
    assert probabilities.shape == (len(test), len(LABELS))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities >= 0).all()
    assert unweighted_recall(probabilities, experiment.classes(test)) > 0.8


def test_one_seed_gives_one_result_and_another_seed_another(case, fitted):
    one, two = fitted[2], _fit(case)[2]
    np.testing.assert_array_equal(one, two)
    if issubclass(system_class(case[0]), NetworkSystem):
        assert not np.array_equal(one, _fit(case, seed=1)[2])


def test_all_of_a_training_happens_on_the_device_that_is_asked_for(case, monkeypatch):
    _, experiment, hyperparameters, (train, valid, _) = case
    stores = experiment.stores()
    asked = replace(experiment, device="cuda", max_epochs=1)
    system = asked.create(hyperparameters, stores)
    if not isinstance(system, NetworkSystem):
        assert fit_system(system, asked, stores, train, valid, seed=0).device == "cpu"
        return
    with training_on_stand_in(monkeypatch) as guard:
        fit = fit_system(system, asked, stores, train, valid, seed=0)
    assert fit.device == STAND_IN.type
    for part in ("_to_copy", "softmax", "backward"):
        assert any(part in name for name in guard.operations), part
    assert {tensor.device.type for tensor in system.network.state_dict().values()} == {"cpu"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_learns_the_same_twice_and_nearly_what_the_cpu_learns(case, fitted):
    _, experiment, hyperparameters, (train, valid, test) = case
    stores = experiment.stores()
    asked = replace(experiment, device="cuda")
    found = []
    for _ in range(2):
        system = asked.create(hyperparameters, stores)
        fit_system(system, asked, stores, train, valid, seed=0)
        found.append(predict(system, asked, stores, test))
    np.testing.assert_array_equal(*found)
    assert (found[0].argmax(axis=1) == fitted[2].argmax(axis=1)).mean() > 0.8


def test_saved_and_loaded_it_predicts_the_same(case, fitted, tmp_path):
    _, experiment, _, (_, _, test) = case
    system, _, probabilities = fitted
    save_system(system, tmp_path)
    loaded = load_system(tmp_path)
    assert loaded.definition == system.definition
    assert loaded.parameter_count() == system.parameter_count() > 0
    np.testing.assert_array_equal(predict(loaded, experiment, experiment.stores(), test), probabilities)
    assert not list(tmp_path.glob("*.pkl"))


def test_curves_have_one_row_an_epoch_and_the_best_is_kept(case, fitted):
    id, experiment, _, (_, valid, _) = case
    system, fit, _ = fitted
    if isinstance(system, EstimatorSystem):
        assert fit.curves == [] and fit.best_epoch == 0 and system.temperature > 0
        return
    assert [row["epoch"] for row in fit.curves] == list(range(1, EPOCHS[id] + 1))
    kept = unweighted_recall(predict(system, experiment, experiment.stores(), valid), experiment.classes(valid))
    best = max(row["valid_ua"] for row in fit.curves)
    assert kept == pytest.approx(best) == pytest.approx(fit.curves[fit.best_epoch - 1]["valid_ua"])


def test_its_search_space_gives_hyperparameters_that_it_accepts(case):
    import optuna

    id, experiment, hyperparameters, _ = case
    cls = system_class(id)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(5):
        suggested = cls.search_space(study.ask())
        assert suggested and set(suggested) <= set(PARAMS.systems[id])
        experiment.create({**hyperparameters, **suggested}, experiment.stores())


def test_a_deployable_system_computes_from_the_waveform_what_it_was_trained_on(case):
    id, experiment, hyperparameters, _ = case
    dims = {name: _dims(name) for name in experiment.needs.features}
    torch.manual_seed(0)
    system = create_system(
        id, hyperparameters, experiment.recipe, experiment.definitions, dims, experiment.sample_rate, LABELS
    )
    if system.not_deployable:
        assert len(system.not_deployable) > 10
        return
    system.network.eval()
    samples = torch.randn(2, system.window_samples) * 0.1
    with torch.inference_mode():
        probabilities = system.waveform_classifier()(samples)
    assert probabilities.shape == (2, len(LABELS))
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(2))
    assert system.window_samples == max(
        (system.params.window_frames - 1) * feature.hop + feature.frame for feature in experiment.definitions.values()
    )


def test_every_system_in_params_has_a_module_and_the_other_way_round():
    modules = {path.stem for path in (TOP / "src/speech_emotion/systems").glob("*.py")}
    helpers = {"__init__", "base", "network", "estimator", "catalogue"}
    assert {
        id.replace("-", "_") for id in yaml.safe_load((TOP / "params.yaml").read_text())["systems"]
    } == modules - helpers
