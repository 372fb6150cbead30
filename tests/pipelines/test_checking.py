"""Compiled pipelines hold together, and the check sees where one does not."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pipelines import compiling
from pipelines.checking import faults
from pipelines.settings import load_settings

TOP = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def specs(tmp_path_factory) -> dict[str, dict]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(TOP)
        paths = compiling.compile_all(tmp_path_factory.mktemp("compiled"))
    return {path.stem: next(yaml.safe_load_all(path.read_text(encoding="utf-8"))) for path in paths}


@pytest.fixture
def train(specs) -> dict:
    return copy.deepcopy(specs["train"])


@pytest.fixture
def with_gpus(tmp_path, monkeypatch) -> dict:
    """Pipeline train for a cluster with GPUs."""
    monkeypatch.chdir(TOP)
    settings = load_settings()
    settings = settings.model_copy(update={"gpu": settings.gpu.model_copy(update={"count": 1})})
    path = compiling.compile_pipeline("train", tmp_path, settings)
    return next(yaml.safe_load_all(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", compiling.PIPELINES)
def test_a_compiled_pipeline_holds_together(specs, name):
    assert faults(specs[name]) == []


def _tasks(spec: dict) -> dict:
    return spec["root"]["dag"]["tasks"]


def _no_producer(spec):
    _tasks(spec)["evaluate"]["inputs"]["artifacts"]["trained"]["taskOutputArtifact"]["producerTask"] = "trains"


def _no_output(spec):
    _tasks(spec)["evaluate"]["inputs"]["artifacts"]["trained"]["taskOutputArtifact"]["outputArtifactKey"] = "models"


def _no_parameter(spec):
    _tasks(spec)["fetch"]["inputs"]["parameters"]["corpus"]["componentInputParameter"] = "corpora"


def _other_type(spec):
    _tasks(spec)["ingest"]["inputs"]["parameters"]["params"]["taskOutputParameter"]["outputParameterKey"] = "systems"


def _other_artifact(spec):
    wrong = {"outputArtifactKey": "utterances", "producerTask": "ingest"}
    _tasks(spec)["evaluate"]["inputs"]["artifacts"]["trained"]["taskOutputArtifact"] = wrong


def _not_given(spec):
    del _tasks(spec)["select"]["inputs"]["artifacts"]["features"]


def _unknown_input(spec):
    inputs = _tasks(spec)["select"]["inputs"]["artifacts"]
    inputs["feature"] = inputs.pop("features")


def _no_order(spec):
    _tasks(spec)["ingest"]["dependentTasks"].remove("fetch")


def _no_component(spec):
    del spec["components"]["comp-ingest"]


def _no_executor(spec):
    del spec["deploymentSpec"]["executors"]["exec-ingest"]


def _no_image(spec):
    spec["deploymentSpec"]["executors"]["exec-ingest"]["container"]["image"] = ""


def _no_items(spec):
    loop = spec["components"]["comp-prepare"]["dag"]["tasks"]["for-loop-1"]
    loop["parameterIterator"]["items"]["inputParameter"] = "pipelinechannel--shares"


def _no_selection(spec):
    chosen = spec["components"]["comp-prepare"]["dag"]["outputs"]["artifacts"]
    chosen["features"]["artifactSelectors"][0]["outputArtifactKey"] = "all"


def _many_for_one(spec):
    inputs = spec["components"]["comp-join"]["inputDefinitions"]["artifacts"]["parts"]
    inputs["isArtifactList"] = False


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_no_producer, "root: task evaluate: artifacts trained: reads trained of trains, which is not there"),
        (_no_output, "root: task evaluate: artifacts trained: reads models of systems, which is not there"),
        (_no_parameter, "root: task fetch: parameters corpus: reads corpora, which is not there"),
        (_other_type, "root: task ingest: parameters params: wants STRING, and systems of plan is LIST"),
        (_other_artifact, "root: task evaluate: artifacts trained: wants system.Model, and utterances"),
        (_not_given, "root: task select: artifacts features: is given nothing"),
        (_unknown_input, "root: task select: artifacts feature: component comp-select has no such input"),
        (_no_order, "root: task ingest: artifacts data: reads data of fetch, but does not come after it"),
        (_no_component, "root: task ingest: component comp-ingest is not there"),
        (_no_executor, "comp-ingest: executor exec-ingest is not there"),
        (_no_image, "exec-ingest: image '' is no image by name and tag or digest"),
        (_no_items, "comp-prepare: task for-loop-1: loops over pipelinechannel--shares, which it is not given"),
        (_no_selection, "comp-prepare: outputs: features: is all of join-2, which is not there"),
        (_many_for_one, "comp-prepare: task join: artifacts parts: wants one, and pipelinechannel--preprocess"),
    ],
)  # fmt: skip
def test_a_pipeline_that_does_not_hold_together_is_told(train, damage: Callable, told: str):
    damage(train)
    assert any(fault.startswith(told) for fault in faults(train))


def test_what_resources_read_must_be_given_and_be_text(with_gpus):
    assert faults(with_gpus) == []
    system = with_gpus["components"]["comp-system"]
    system["inputDefinitions"]["parameters"]["accelerators"]["parameterType"] = "NUMBER_INTEGER"
    text = "comp-system: task train: parameters pipelinechannel--accelerators: wants STRING, and accelerators is NUMBER"
    assert any(fault.startswith(text) for fault in faults(with_gpus))
    del system["dag"]["tasks"]["train"]["inputs"]["parameters"]["pipelinechannel--accelerators"]
    text = "comp-system: task train: resources read pipelinechannel--accelerators, which it is not given"
    assert text in faults(with_gpus)
