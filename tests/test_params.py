import copy
from pathlib import Path

import pytest
import yaml

from speech_emotion.errors import UserError
from speech_emotion.params import holds_password, load_params
from speech_emotion.systems.catalogue import (
    check_hyperparameters,
    check_system_params,
    hyperparameters_of,
    system_config,
)

TOP = Path(__file__).parents[1]
RAW = yaml.safe_load((TOP / "params.yaml").read_text())


def _load(tmp_path, change):
    raw = copy.deepcopy(RAW)
    change(raw)
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(raw))
    return load_params(path)


def _set(keys, value):
    def change(raw):
        *parents, last = keys.split(".")
        for parent in parents:
            raw = raw[parent]
        raw[last] = value

    return change


def test_the_projects_own_params_are_valid():
    params = load_params(TOP / "params.yaml")
    assert params.budget == params.budgets[params.corpus]
    for system in params.systems:
        check_system_params(params, system)


@pytest.mark.parametrize("uri", ["http://me:whispered@host:5000", "postgresql://host/db?user=me&password=whispered"])
def test_password_in_the_address_of_the_store_is_refused_and_not_shown(tmp_path, uri):
    with pytest.raises(UserError, match=r"track\.uri: holds a password.*MLFLOW_TRACKING_PASSWORD") as error:
        _load(tmp_path, _set("track.uri", uri))
    assert "whispered" not in str(error.value)


def test_password_in_the_query_of_the_searchs_address_is_refused_and_not_shown(tmp_path):
    with pytest.raises(UserError, match="tune: storage holds a password, which would be published") as error:
        _load(tmp_path, _set("tune.storage", "postgresql://host/db?user=me&password=whispered"))
    assert "whispered" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:word@host/db",
        "postgresql://me:@host/db",
        "postgresql://me:wo/rd#@host/db",
        "http://me:1234@host",
        "http://me:word@[::1",
        "postgresql://host/db?PassWord=word",
        "postgresql://host/db?user=me&sslpassword=word",
        "mysql://host/db?p%61sswd=word",
        "overrides=[\"tune.storage='postgresql://me:word@host/db'\"]",
    ],
)
def test_a_password_is_found_before_the_host_or_in_the_query_of_an_address_in_a_text(text):
    assert holds_password(text)


@pytest.mark.parametrize(
    "text",
    [
        "sqlite",
        "sqlite:///mlflow.db",
        "https://me@host/path",
        "http://host:5000/a@b",
        "http://[::1]:5000/a@b",
        "postgresql://me@host:5432/db?application_name=a@b",
        "postgresql://host/db?options=a:b@c&passfile=/home/me/.pgpass",
        '{"uri":"http://host:5000","experiment":"a@b"}',
        '{"uri":"http://host","experiment":"a@b"}',
        "git@host:team/project.git",
    ],
)
def test_users_ports_and_the_part_after_the_host_are_not_passwords(text):
    assert not holds_password(text)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        ("workers", 0, "workers = 0: must be at least 1"),
        ("workers", "two", "workers = 'two': must be a whole number"),
        ("train.patience", 0, "train.patience = 0: must be at least 1"),
        ("export.prune.share", 1.0, "export.prune.share = 1.0: must be at most 0.9"),
        ("export.prune.share", -0.1, "export.prune.share = -0.1: must be at least 0"),
        ("export.prune.epochs", 0, "export.prune.epochs = 0: must be at least 1"),
        ("export.prune.learning_rate", 0.0, "export.prune.learning_rate = 0.0: must be above 0"),
        ("ingest.max_rejected", 1.5, "ingest.max_rejected = 1.5: must be at most 1"),
        ("ingest.silence_dbfs", float("nan"), "ingest.silence_dbfs = nan: must be a finite number"),
        ("preprocess.recipes.plain.level", "loud", "preprocess.recipes.plain.level = 'loud': must be one of"),
        ("augment.stretch", [1.2, 0.8], r"augment: stretch = \[1.2, 0.8\]: the first must not exceed the second"),
        ("augment.stretch", [1.2], "must have at least 2 values"),
        ("features.mspec-40.n_fft", 256, "n_fft = 256: must be at least the frame, 400"),
        ("features.mspec-40.n_mfcc", 5, "a mspec feature takes no n_mfcc"),
        ("features.spectrogram-128.n_bands", 100, "n_bands = 100: must divide the 256 bins up to 4000 Hz"),
        ("features.f0.fmax", 9000.0, "features.f0.fmax = 9000.0: must be at most half the sample rate, 8000.0"),
        (
            "features.voicing.frame",
            260,
            "features.voicing.fmin = 60.0: must be above 61.7761: a period must fit in",
        ),
        ("features.spectrogram-128.fmax", 9000.0, "fmax = 9000.0: must be at most half the sample rate, 8000.0"),
        ("needs.w1.recipe", "none", "needs.w1.recipe = none: must be a key of preprocess.recipes"),
        ("corpus", "unheard", "corpus = unheard: must be a key of budgets"),
        (
            "budgets.demo.more_seeds",
            {"t2": [0]},
            r"budgets.demo: more_seeds.t2 = \[0\]: must list each seed once, and none of those in seeds",
        ),
        (
            "budgets.demo.more_seeds",
            {"t9": [1]},
            "budgets.demo.more_seeds = t9: must be a key of systems: e3, gmm, k1, k2",
        ),
        ("budgets.demo.seeds", [-1], "budgets.demo.seeds.0 = -1: must be at least 0"),
        ("export.opset", 18, "export.opset = 18: must be at most 17"),
        ("trian", {}, "trian = {}: is not a known key: remove it or check the spelling"),
    ],
)
def test_a_bad_value_names_file_key_value_and_cure(tmp_path, keys, value, message):
    with pytest.raises(UserError, match=message) as caught:
        _load(tmp_path, _set(keys, value))
    assert str(caught.value).startswith(str(tmp_path / "params.yaml"))


def test_systems_may_need_different_lengths_and_copies_of_one_feature(tmp_path):
    def change(raw):
        raw["candidates"] = ["k2", "t1"]
        raw["needs"]["t1"] |= {"copies": 3}
        raw["needs"]["k2"] |= {"features": raw["needs"]["t1"]["features"], "min_seconds": 1.0, "copies": 1}

    needs = _load(tmp_path, change).needs
    feature = load_params(TOP / "params.yaml").features["mel-120"]
    assert needs["k2"].variant(feature, 16000) == "plain-16000"
    assert needs["t1"].variant(feature, 16000) == "plain-49600"


def test_a_budget_names_candidates_that_exist(tmp_path):
    with pytest.raises(UserError, match=r"budgets\.demo\.candidates = x9: must be a key of systems"):
        _load(tmp_path, _set("budgets.demo.candidates", ["x9"]))


def test_a_missing_key_is_named(tmp_path):
    with pytest.raises(UserError, match=r"train\.patience: is missing: add it"):
        _load(tmp_path, lambda raw: raw["train"].pop("patience"))


def test_all_faults_are_reported_at_once(tmp_path):
    def change(raw):
        raw["workers"] = 0
        raw["train"]["patience"] = 0

    with pytest.raises(UserError) as caught:
        _load(tmp_path, change)
    assert len(str(caught.value).splitlines()) == 2


def test_a_systems_hyperparameters_are_checked_by_the_system():
    raw = {**hyperparameters_of(RAW["systems"], "w1"), "batch_size": 0}
    with pytest.raises(UserError, match=r"params.yaml: systems\.w1\.batch_size = 0: must be at least 1"):
        check_hyperparameters(system_config(RAW["systems"], "w1"), raw)


def test_an_unknown_system_is_refused_with_the_cure():
    with pytest.raises(UserError, match=r"system = absent: must be one of .*, w1"):
        system_config(RAW["systems"], "absent")


def test_a_missing_file_gives_no_traceback(tmp_path):
    with pytest.raises(UserError, match="no such file: run from the project's top folder"):
        load_params(tmp_path / "params.yaml")


def test_a_file_that_is_not_yaml(tmp_path):
    (tmp_path / "params.yaml").write_text("a: [1\n")
    with pytest.raises(UserError, match="not YAML"):
        load_params(tmp_path / "params.yaml")
