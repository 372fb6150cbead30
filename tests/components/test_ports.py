"""Components and steps have the same ports (tests/test_ports.py compares steps and dvc.yaml)."""

import importlib
from pathlib import Path

import pytest
from kfp import dsl

from components.base import CPU
from speech_emotion.steps.driver import NAMES, load_step
from speech_emotion.steps.reports import WRITERS

TOP = Path(__file__).parents[2]
REPORTS = {dsl.Metrics, dsl.ClassificationMetrics, dsl.HTML, dsl.Markdown}
# Components that Kubeflow needs besides the steps
OTHERS = {"plan", "fetch", "join", "gather", "search_plan", "search_worker"}
OTHERS |= {"release_gate", "release_export", "release_record"}
FOLDERS = sorted(path.parent.name for path in (TOP / "components").glob("*/component.py"))


def component_of(name: str) -> dsl.base_component.BaseComponent:
    return getattr(importlib.import_module(f"components.{name}.component"), name)


def artifacts(ports) -> dict[str, str]:
    return {
        name: port.type.partition("@")[0] for name, port in (ports or {}).items() if port.type.startswith("system.")
    }


def reports_of(name: str) -> set[str]:
    titles = {kind.schema_title for kind in REPORTS}
    return {port for port, kind in artifacts(component_of(name).component_spec.outputs).items() if kind in titles}


def test_every_step_has_a_component_and_there_are_no_others():
    assert set(FOLDERS) == {*NAMES, *OTHERS}


@pytest.mark.parametrize("name", NAMES)
def test_a_component_has_the_input_ports_of_its_step(name):
    assert set(artifacts(component_of(name).component_spec.inputs)) == set(load_step(name).inputs)


@pytest.mark.parametrize("name", NAMES)
def test_a_component_has_the_output_ports_of_its_step_and_reports(name):
    outputs = set(artifacts(component_of(name).component_spec.outputs))
    assert outputs - reports_of(name) == set(load_step(name).outputs)


@pytest.mark.parametrize("name", NAMES)
def test_a_component_has_reports_if_a_writer_exists(name):
    assert bool(reports_of(name)) == (name in WRITERS)


@pytest.mark.parametrize("name", NAMES)
def test_a_component_takes_params_and_the_system_or_part_of_its_step(name):
    step = load_step(name)
    wanted = {"params"} | ({"system"} if step.per_system else set()) | ({"part", "parts"} if step.sharded else set())
    spec = component_of(name).component_spec
    assert set(spec.inputs) - set(artifacts(spec.inputs)) == wanted


@pytest.mark.parametrize("name", FOLDERS)
def test_every_port_and_parameter_is_described(name):
    spec = component_of(name).component_spec
    described = (component_of(name).python_func.__doc__ or "").partition("Args:")[2]
    assert spec.description
    for port in {**(spec.inputs or {}), **artifacts(spec.outputs)}:  # output parameters are described under Returns
        assert f" {port}: " in described, f"{name}: {port} is not described"


@pytest.mark.parametrize("name", FOLDERS)
def test_a_component_runs_in_the_image_and_installs_nothing(name):
    container = component_of(name).component_spec.implementation.container
    assert container.image == CPU
    assert "pip install" not in " ".join(container.command)
