"""The systems in params.yaml, and the messages for wrong entries."""

from pathlib import Path

import pytest

from made_up_systems import PARAMS, make_system
from speech_emotion.errors import UserError
from speech_emotion.features.frontend import FrontEnd
from speech_emotion.params import FRONT_END_KINDS
from speech_emotion.systems.catalogue import (
    architecture_class,
    architectures,
    check_system_params,
    in_order,
    load_system,
    members_of,
    system_config,
)

TOP = Path(__file__).parents[2]


def _dims(name: str) -> int:
    feature = PARAMS.features[name]
    if feature.kind not in FRONT_END_KINDS:
        return 10
    return FrontEnd(feature, 16000).dims * (1 + feature.deltas)


@pytest.mark.parametrize("id", PARAMS.systems)
def test_every_system_of_params_has_a_title_claims_and_fits_its_features(id):
    config = system_config(PARAMS.systems, id)
    assert config.title.lower().startswith(id) and "`" not in config.title
    assert (TOP / "papers" / config.paper / "claims.yaml").is_file()
    check_system_params(PARAMS, id)
    needs = PARAMS.needs[id]
    features = {name: PARAMS.features[name] for name in needs.features}
    dims = {name: _dims(name) for name in features}
    system = make_system(id, PARAMS.preprocess.recipes[needs.recipe], features, dims, 16000, ("anger", "neutral"))
    assert system.definition.config == config


def test_every_architecture_has_a_system():
    assert {system_config(PARAMS.systems, id).architecture for id in PARAMS.systems} == set(architectures())


def _systems(**changed):
    return {**PARAMS.systems, "x": {"architecture": "vote", "title": "x", "rule": "mean", **changed}}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"architecture": "voot"}, r"params\.yaml: systems\.x\.architecture = voot: must be one of .*, vote, "),
        ({"title": ""}, r"systems\.x\.title"),
        ({"builds_on": ["k9", "t2"]}, r"system = k9: must be one of"),
        ({"builds_on": ["t2", "t2"]}, r"systems\.x\.builds_on = \['t2', 't2'\]: must name each system once"),
        ({"builds_on": ["x", "t2"]}, r"systems\.x\.builds_on: x -> x: remove one"),
        ({"architecture": "svm", "builds_on": ["k2"]}, r"builds_on: svm takes no predictions of other systems"),
    ],
)
def test_a_wrong_entry_is_an_error_with_the_cure(changed, message):
    with pytest.raises(UserError, match=message):
        members_of(_systems(**changed), "x")


def test_systems_are_sorted_after_those_they_build_on():
    systems = {**_systems(builds_on=["vote", "w1"])}
    assert in_order(systems, ["x", "w1", "t2", "vote"]) == ["t2", "vote", "w1", "x"]
    assert in_order(systems, ["w1", "k2"]) == ["w1", "k2"]
    assert members_of(systems, "x") == ["k2", "t2", "vote", "w1"]


def test_the_error_names_a_member_without_needs():
    params = PARAMS.model_copy(update={"needs": {"vote": PARAMS.needs["vote"]}})
    with pytest.raises(UserError, match=r"needs\.k2: is missing, and vote builds on k2: add it"):
        check_system_params(params, "vote")


def test_a_file_that_declares_another_name_is_an_error(monkeypatch):
    monkeypatch.setattr(architecture_class("gmm"), "ARCHITECTURE", "mixture")
    with pytest.raises(UserError, match=r"systems/gmm\.py: ARCHITECTURE = mixture: name the file after it"):
        architecture_class("gmm")


def test_a_model_saved_by_an_earlier_version_is_an_error(tmp_path):
    (tmp_path / "system.json").write_text('{"id": "w1"}')
    with pytest.raises(UserError, match=r"was written by an earlier version: remove .* and train again"):
        load_system(tmp_path)
