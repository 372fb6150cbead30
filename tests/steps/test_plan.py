"""The params of each step of a run, and which steps a change restarts."""

import json
from pathlib import Path

import pytest
import yaml

from speech_emotion.errors import UserError
from speech_emotion.features import versions
from speech_emotion.steps import plan as plan_module
from speech_emotion.steps.driver import NAMES, load_step, parse_sections
from speech_emotion.steps.graph import stage_deps
from speech_emotion.steps.plan import Plan, make_plan

TOP = Path(__file__).parents[2]
RAW = yaml.safe_load((TOP / "params.yaml").read_text(encoding="utf-8"))
PARAMS = json.dumps(RAW)
SYSTEMS = ["t2", "k2"]


@pytest.fixture(autouse=True)
def at_the_top(monkeypatch):
    monkeypatch.chdir(TOP)


def plan(**changes) -> Plan:
    return make_plan(**{"params": PARAMS, "data_hash": "1.dir", "corpus": "demo", "systems": SYSTEMS, **changes})


def handed(made: Plan) -> dict[str, str]:
    """Step, or step and system -> its params."""
    found = dict(made.steps) | {name: text for name, text in made.parts[0].items() if isinstance(text, str)}
    for one in made.systems:
        found |= {f"{name}-{one['system']}": text for name, text in one.items() if name in NAMES}
    return found


def changed(**changes) -> set[str]:
    before, after = handed(plan()), handed(plan(**changes))
    return {name for name in before if before[name] != after[name]}


def test_every_step_gets_exactly_the_sections_that_it_declares():
    for name, text in handed(plan()).items():
        step, _, system = name.partition("-")
        sections = [section.format(corpus="demo", system=system) for section in load_step(step).sections]
        given = json.loads(text)
        given.pop("inputs")
        leaves = {section for section in sections if "." not in section}
        leaves |= {f"{key}.{part}" for key, of in given.items() if key not in leaves for part in of}
        assert leaves == set(sections), name


def test_every_step_can_read_its_params():
    for text in handed(plan()).values():
        given = json.loads(text)
        given.pop("inputs")
        parse_sections(json.dumps(given))


def test_only_networks_get_accelerators():
    asked = {
        one["system"]: one["accelerators"] for one in plan(systems=["w1", "k2", "t1", "t2"], accelerators=2).systems
    }
    assert asked == {"w1": "2", "k2": "2", "t1": "2", "t2": "0"}
    assert handed(plan(accelerators=2)) == handed(plan())


def test_every_step_is_in_the_plan():
    assert {name.partition("-")[0] for name in handed(plan())} == set(NAMES)


def test_the_plan_does_not_depend_on_the_order_of_keys():
    assert plan(params=json.dumps(RAW, sort_keys=True)) == plan()


def test_numbers_keep_their_types():
    train = next(one["train"] for one in plan(overrides=["systems.k2.units=64"]).systems if one["system"] == "k2")
    assert '"units":64,' in train


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("registry.alpha=0.01", {"register"}),
        ("workers=7", set()),
        ("evaluate.seed=3", {"evaluate", "select", "export", "track", "register"}),
        (
            "systems.k2.units=64",
            {"tune-k2", "train-k2", "evaluate", "select", "export", "track", "register"},
        ),
        (
            "augment.seed=3",
            {"augment", "features", *(f"{name}-{system}" for name in ("tune", "train") for system in SYSTEMS)}
            | {"evaluate", "select", "export", "track", "register"},
        ),
    ],
)
def test_a_change_restarts_the_steps_that_depend_on_it(override, wanted):
    assert changed(overrides=[override]) == wanted


def test_other_data_restart_every_step():
    assert changed(data_hash="2.dir") == set(handed(plan()))


def test_another_version_of_an_architecture_restarts_its_systems(monkeypatch):
    monkeypatch.setattr("speech_emotion.systems.windowed_rnn.Recogniser.VERSION", 1)
    before = handed(plan())
    monkeypatch.setattr("speech_emotion.systems.windowed_rnn.Recogniser.VERSION", 2)
    after = handed(plan())
    new = {name for name in before if before[name] != after[name]}
    assert {"tune-k2", "train-k2", "evaluate"} <= new
    assert not {"ingest", "preprocess", "features", "train-t2", "tune-t2"} & new


def test_another_version_of_a_feature_restarts_features_and_the_systems_with_it(monkeypatch):
    before = handed(plan())
    monkeypatch.setitem(versions.VERSIONS, "f0", 99)
    after = handed(plan())
    new = {name for name in before if before[name] != after[name]}
    assert {"features", "train-t2", "evaluate"} <= new
    assert not {"ingest", "preprocess", "augment"} & new


def test_another_corpus_sets_its_candidates():
    raw = {**RAW, "budgets": {**RAW["budgets"], "emodb": {**RAW["budgets"]["emodb"], "candidates": ["t2"]}}}
    of = [one["system"] for one in plan(params=json.dumps(raw), corpus="emodb", systems=[]).systems]
    assert of == ["t2"]
    same = plan(params=json.dumps({**raw, "candidates": ["k2"]}), corpus="demo", systems=[])
    assert [one["system"] for one in same.systems] == ["k2"]


def test_utterances_are_divided_into_numbered_parts():
    assert [(one["part"], one["parts"]) for one in plan(parts=3).parts] == [(1, 3), (2, 3), (3, 3)]


def test_the_number_of_parts_only_changes_the_params_of_parts():
    one, three = plan(), plan(parts=3)
    assert (one.steps, one.joins, one.systems) == (three.steps, three.joins, three.systems)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"params": "{"}, "params: not JSON"),
        ({"params": "[]"}, "must be a JSON object"),
        ({"corpus": "nowhere"}, "corpus = nowhere: must be a key of budgets"),
        ({"systems": ["x9"]}, "candidates = x9: must be a key of systems"),
        ({"overrides": ["train.patience"]}, "must be KEY=VALUE"),
        ({"overrides": ["trian.patience=5"]}, r"trian\.patience: is not a key of params"),
        ({"overrides": ["train.patients=5"]}, r"train\.patients = 5: is not a known key"),
        ({"overrides": ["train.patience=0"]}, r"train\.patience = 0: must be at least 1"),
        ({"overrides": ["systems.k2.units=-1"]}, "units"),
        ({"overrides": ["select.metric=f1"]}, r"select\.metric = f1: must be one of ua, wa, "),
        ({"parts": 0}, "shards = 0: must be at least 1"),
    ],
)
def test_an_error_is_reported_before_anything_is_computed(changes, told):
    with pytest.raises(UserError, match=told):
        plan(**changes)


def test_a_system_that_builds_on_others_gets_their_params_and_comes_after_them():
    made = plan(systems=["vote", "t2", "k2"])
    assert [one["system"] for one in made.systems] == ["k2", "t2", "vote"]
    given = json.loads(made.systems[2]["train"])
    assert set(given["systems"]) == set(given["needs"]) == {"vote", "k2", "t2"}
    assert {"train-vote"} <= changed_of(["vote"], "systems.k2.units=64")


def changed_of(systems: list[str], override: str) -> set[str]:
    before, after = handed(plan(systems=systems)), handed(plan(systems=systems, overrides=[override]))
    return {name for name in before if before[name] != after[name]}


def test_every_runtime_module_that_a_stage_depends_on_is_hashed():
    runtime = [dep for dep in stage_deps(load_step("export")) if dep.startswith("jetson/")]
    hashed = {plan_module._file(TOP / dep) for dep in runtime}
    assert len(runtime) > 5 and hashed <= set(plan_module._code("export"))
