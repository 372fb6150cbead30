"""One step, several runners: dvc.yaml and the steps agree on ports, outputs, commands and code."""

from pathlib import Path

import pytest
import yaml

from speech_emotion.params import load_params
from speech_emotion.steps.driver import NAMES, load_step
from speech_emotion.steps.graph import stage_of

TOP = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def graph() -> dict:
    return yaml.safe_load((TOP / "dvc.yaml").read_text(encoding="utf-8"))


def spelled(template: str) -> str:
    return template.format(corpus="${corpus}", system="${item}")


def test_the_graph_has_the_steps_and_the_check_before_them(graph):
    assert list(graph["stages"]) == ["check", *NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_calls_its_step(graph, name):
    system = " --system ${item}" if load_step(name).per_system else ""
    assert stage_of(graph, name)["cmd"] == f"python -m speech_emotion.steps {name}{system}"


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_has_the_outputs_of_its_step(graph, name):
    step = load_step(name)
    assert stage_of(graph, name).get("outs", []) == [spelled(folder) for folder in step.outputs.values()]


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_depends_on_the_inputs_of_its_step(graph, name):
    folders = [dep for dep in stage_of(graph, name)["deps"] if dep.startswith(("artifacts/", "data/"))]
    assert folders == [spelled(folder) for folder in load_step(name).inputs.values()]


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_has_an_instance_a_candidate_where_its_step_works_for_one_system(graph, name):
    assert (graph["stages"][name].get("foreach") == "${candidates}") == load_step(name).per_system


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_runs_always_where_its_step_says_so(graph, name):
    assert stage_of(graph, name).get("always_changed", False) == load_step(name).always


@pytest.mark.parametrize("name", NAMES)
def test_a_step_reads_only_what_a_step_before_writes(name):
    before = [load_step(other) for other in NAMES[: NAMES.index(name)]]
    written = {folder for step in before for folder in step.outputs.values()}
    for folder in load_step(name).inputs.values():
        known = folder == "data/{corpus}" or any(folder in (one, one.rpartition("/")[0]) for one in written)
        assert known, f"{name} reads {folder}, which no step before writes"


@pytest.mark.parametrize("name", NAMES)
def test_the_sections_of_a_step_are_keys_of_params(name):
    params = load_params(TOP / "params.yaml")
    raw = yaml.safe_load((TOP / "params.yaml").read_text(encoding="utf-8"))
    for section in load_step(name).sections:
        value = raw
        for key in section.format(corpus=params.corpus, system=params.candidates[0]).split("."):
            assert key in value, f"{name}: section {section}"
            value = value[key]
