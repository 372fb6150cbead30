"""What changes the key of a fold run, and what does not."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest
from pydantic import Field

from speech_emotion.audio import augmentation, preparation
from speech_emotion.corpora.splits import Fold
from speech_emotion.features import versions
from speech_emotion.learning import loop
from speech_emotion.params import Params, load_params
from speech_emotion.steps import train
from speech_emotion.steps.step import StepParams
from speech_emotion.systems import svm, windowed_rnn
from speech_emotion.systems.catalogue import system_config
from speech_emotion.training.fitting import Experiment

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
IDS = tuple(f"emodb/wav/{n}" for n in range(6))
ROWS = pd.DataFrame({"id": IDS, "sha256": [f"{n:064x}" for n in range(6)], "label": ["anger", "neutral"] * 3})
FOLD = Fold("03", IDS[:2], IDS[2:4], IDS[4:])


def _key(system="k2", params=PARAMS, rows=ROWS, fold=FOLD, **changed):
    experiment = Experiment(
        corpus="emodb",
        protocol="emodb-loso",
        config=system_config(params.systems, system),
        needs=params.needs[system],
        recipe=params.preprocess.recipes[params.needs[system].recipe],
        definitions={name: params.features[name] for name in params.needs[system].features},
        features=Path("features"),
        sample_rate=16000,
        labels=("anger", "neutral"),
        targets={id: int(label == "neutral") for id, label in zip(rows["id"], rows["label"], strict=True)},
        max_epochs=params.budget.max_epochs,
        patience=params.train.patience,
    )
    of_system = StepParams(params, train.STEP.sections, system)
    experiment = dataclasses.replace(experiment, **changed)
    return train.make_jobs(of_system, experiment, rows, [fold], {}, Path("units"))[0].key


def _params(**changes) -> Params:
    """params.yaml with `section__key` (or `section__key__key`) set."""
    raw = PARAMS.model_dump()
    for name, value in changes.items():
        *above, last = name.split("__")
        place = raw
        for part in above:
            place = place[part]
        place[last] = value
    return Params.model_validate(raw)


@pytest.mark.parametrize("system", ["w1", "k2", "t1", "t2"])
def test_the_text_of_the_code_is_not_in_the_key(system, monkeypatch):
    before = _key(system)
    monkeypatch.setattr(train, "code_of", lambda architecture: [])
    assert _key(system, _params(**{f"systems__{system}__title": "another title"})) == before


def test_another_search_space_changes_no_key(monkeypatch):
    before = _key()
    monkeypatch.setattr(windowed_rnn.Recogniser, "search_space", classmethod(lambda cls, trial: {}))
    assert _key() == before


def test_a_new_hyperparameter_changes_the_key_only_if_it_is_not_neutral(monkeypatch):
    before = _key("t2")

    class Grown(svm.Recogniser.Params):
        degree: int = Field(default=3)

    monkeypatch.setattr(svm.Recogniser, "Params", Grown)
    assert _key("t2") == before
    assert _key("t2", _params(systems__t2__degree=3)) == before
    assert _key("t2", _params(systems__t2__degree=4)) != before


@pytest.mark.parametrize("system", ["k2", "t2"])
def test_only_the_possible_number_of_epochs_is_in_the_key(system):
    before = _key(system, max_epochs=200)
    assert _key(system, max_epochs=300) == before
    assert (_key(system, max_epochs=5) == before) == (system == "t2")


def test_a_renamed_feature_changes_no_key():
    raw = PARAMS.model_dump()
    raw["features"]["mel-whole"] = raw["features"].pop("mel-120")
    raw["features"]["mel-low"] = raw["features"].pop("mel-128-4k")
    needs, values = raw["needs"]["t1"], raw["systems"]["t1"]
    needs["features"] = ["mel-whole", "mel-low", *needs["features"][2:]]
    values["keep_mean"] = ["mel-low"]
    assert _key("t1", Params.model_validate(raw)) == _key("t1")
    values["keep_mean"] = ["mel-whole"]
    assert _key("t1", Params.model_validate(raw)) != _key("t1")


@pytest.mark.parametrize(
    "changes",
    [
        {"registry__alpha": 0.01},
        {"train__device": "auto"},
        {"workers": 1},
        {"features__mel-120__n_mels": 121},
        {"preprocess__wavelet_levels": 4},
        {"preprocess__level_dbfs": -20.0},
        {"augment__seed": 1},
        {"tune__trials": 3},
    ],
)
def test_settings_without_effect_on_a_training_are_not_in_its_key(changes):
    assert _key("k2", _params(**changes)) == _key("k2")


@pytest.mark.parametrize(
    "changes",
    [
        {"systems__k2__dropout": 0.3},
        {"systems__k2__epochs": 9},
        {"train__patience": 14},
        {"features__mspec-40-dd__deltas": 1},
        {"features__mspec-40-dd__window": "hann"},
        {"needs__k2__min_seconds": 0.3},
        {"needs__k2__copies": 1},
        {"needs__k2__features": ["mspec-40"]},
        {"needs__k2__recipe": "level"},
        {"preprocess__recipes__plain__level": "peak"},
        {"budgets__demo__seeds": [1]},
    ],
)
def test_settings_that_decide_a_training_are_in_its_key(changes):
    assert _key("k2", _params(**changes)) != _key("k2")


def test_settings_are_in_the_key_if_a_recipe_or_copies_use_them():
    levelled = {"needs__k2__recipe": "level", "needs__k2__copies": 1}
    assert _key("k2", _params(**levelled)) != _key("k2", _params(**levelled, preprocess__level_dbfs=-20.0))
    assert _key("k2", _params(**levelled)) != _key("k2", _params(**levelled, augment__seed=1))


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (loop, "TRAINING_VERSION"),
        (preparation, "VERSION"),
        (versions, "DELTAS_VERSION"),
        (windowed_rnn.Recogniser, "VERSION"),
    ],
)
def test_a_raised_version_changes_the_key(owner, name, monkeypatch):
    before = _key()
    monkeypatch.setattr(owner, name, 99, raising=False)
    assert _key() != before


def test_a_raised_version_of_a_part_changes_the_key_of_statistics(monkeypatch):
    before = _key("t2"), _key("k2")
    monkeypatch.setitem(versions.VERSIONS, "f0", 99)
    assert _key("t2") != before[0] and _key("k2") == before[1]


def test_a_raised_version_of_augmentation_changes_the_key_only_if_there_are_copies(monkeypatch):
    copied = _params(needs__k2__copies=1)
    before = _key("k2", copied), _key("k2")
    monkeypatch.setattr(augmentation, "VERSION", 99)
    assert _key("k2", copied) != before[0] and _key("k2") == before[1]


@pytest.mark.parametrize("column", ["id", "sha256", "label"])
def test_id_audio_and_class_of_each_utterance_are_in_the_key(column):
    rows = ROWS.copy()
    other = {"id": "emodb/wav/9", "sha256": "9" * 64, "label": "neutral"}[column]
    rows.loc[0, column] = other
    fold = dataclasses.replace(FOLD, train=tuple(rows["id"][:2]))
    assert _key(rows=rows, fold=fold) != _key()


def test_names_that_decide_random_draws_are_in_the_key():
    assert len({_key(), _key(protocol="mine"), _key(fold=dataclasses.replace(FOLD, name="08"))}) == 3
    assert _key(corpus="mine") == _key()
