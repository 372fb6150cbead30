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
    return template.format(corpus="${corpus}", system="${item}", each="${key}")


def test_the_graph_has_the_steps_and_the_check_before_them(graph):
    between = {"want_recipes", "want_features", "inputs"}  # steps/wanted.py
    assert [name for name in graph["stages"] if name not in between] == ["check", *NAMES]
    assert between < set(graph["stages"])


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_calls_its_step(graph, name):
    step = load_step(name)
    one = " --system ${item}" if step.per_system else " --each ${key}" if step.each else ""
    assert stage_of(graph, name)["cmd"] == f"python -m speech_emotion.steps {name}{one}"


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_has_the_outputs_of_its_step(graph, name):
    step = load_step(name)
    below = "/${key}" if step.each else ""
    assert stage_of(graph, name).get("outs", []) == [spelled(folder) + below for folder in step.outputs.values()]


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_depends_on_the_inputs_of_its_step(graph, name):
    step = load_step(name)
    folders = [dep for dep in stage_of(graph, name)["deps"] if dep.startswith(("artifacts/", "data/"))]
    wanted = step.inputs.values() if step.dvc_inputs is None else step.dvc_inputs
    assert folders == [spelled(folder) for folder in (*wanted, *filter(None, [step.wanted]))]


@pytest.mark.parametrize("name", NAMES)
def test_an_input_that_a_stage_does_not_list_is_covered_by_its_file_of_wanted(name):
    step = load_step(name)
    if step.dvc_inputs is None:
        return
    for folder in step.inputs.values():
        named = any(dep.startswith(folder) for dep in step.dvc_inputs)
        assert named or (step.wanted and folder in ("artifacts/preprocess", "artifacts/augment", "artifacts/features"))


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_has_the_instances_of_its_step(graph, name):
    step = load_step(name)
    over = "${candidates}" if step.per_system else f"${{{step.each}}}" if step.each else None
    assert graph["stages"][name].get("foreach") == over


def test_no_stage_runs_always(graph):
    for name in graph["stages"]:
        stage = stage_of(graph, name)
        assert "always_changed" not in stage and stage["deps"], name


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
