import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipelines import compiling
from pipelines.settings import load_settings
from speech_emotion.errors import UserError

TOP = Path(__file__).parents[2]
DECIDED_BY_THE_RUN = "{{$.inputs.parameters['pipelinechannel--accelerators']}}"  # for each system


@pytest.fixture(autouse=True)
def at_the_top(monkeypatch):
    monkeypatch.chdir(TOP)


def test_compiling_twice_in_two_processes_gives_the_same_bytes(tmp_path):
    for seed in "1", "2":  # of hashes, which decide the order of sets
        command = [sys.executable, "-m", "pipelines", "compile", "--out", str(tmp_path / seed)]
        subprocess.run(command, check=True, env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(TOP / "src"), "PATH": ""})
    for name in compiling.PIPELINES:
        assert (tmp_path / "1" / f"{name}.yaml").read_bytes() == (tmp_path / "2" / f"{name}.yaml").read_bytes()


def test_params_yaml_is_the_default_of_a_pipelines_params(tmp_path):
    path = compiling.compile_pipeline("train", tmp_path)
    spec = next(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    raw = yaml.safe_load((TOP / "params.yaml").read_text(encoding="utf-8"))
    assert json.loads(parameters["params"]["defaultValue"]) == raw
    assert parameters["systems"]["defaultValue"] == []


def test_no_parameter_is_a_secret(tmp_path):
    for name in compiling.PIPELINES:
        path = compiling.compile_pipeline(name, tmp_path)
        spec = next(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        for parameter in spec["root"]["inputDefinitions"]["parameters"]:
            assert not {"token", "password", "secret", "key"} & set(parameter.lower().split("_"))


def test_every_task_has_the_settings_of_its_step(tmp_path):
    path = compiling.compile_pipeline("train", tmp_path)
    spec = next(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    settings = load_settings()
    for name, executor in spec["deploymentSpec"]["executors"].items():
        step = name.removeprefix("exec-").removesuffix("-2")
        resources = executor["container"]["resources"]
        assert resources["resourceMemoryLimit"] == settings.resources(step).memory, step
        assert resources["resourceCpuLimit"] == settings.resources(step).cpu, step


def test_steps_that_depend_on_the_store_or_the_code_are_never_cached(tmp_path):
    path = compiling.compile_pipeline("train", tmp_path)
    tasks = next(yaml.safe_load_all(path.read_text(encoding="utf-8")))["root"]["dag"]["tasks"]
    assert {name for name, task in tasks.items() if not task["cachingOptions"]} == {"plan", "track", "register"}


def test_an_unknown_pipeline_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="pipeline trian: must be one of train"):
        compiling.build("trian")


@pytest.mark.parametrize("name", ["train", "search"])
def test_with_gpus_the_steps_that_train_get_gpus_the_cuda_image_and_the_device(tmp_path, name):
    settings = load_settings()
    settings = settings.model_copy(update={"gpu": settings.gpu.model_copy(update={"count": 1})})
    path = compiling.compile_pipeline(name, tmp_path, settings)
    spec = next(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    trained = set()
    for executor, content in spec["deploymentSpec"]["executors"].items():
        container, step = content["container"], executor.removeprefix("exec-").removesuffix("-2")
        device = next((v["value"] for v in container.get("env", ()) if v["name"] == "SPEECH_EMOTION_DEVICE"), "")
        with_gpu = step in settings.gpu.steps
        assert ("accelerator" in container["resources"]) == with_gpu, step
        assert ("cuda" in container["image"]) == with_gpu == (device == "cuda"), step
        trained |= {step} if with_gpu else set()
        counted = {"train": DECIDED_BY_THE_RUN, "search-worker": DECIDED_BY_THE_RUN, "select": "1"}
        if with_gpu:
            assert container["resources"]["accelerator"]["resourceCount"] == counted[step]
    assert trained == {"train": {"train", "select"}, "search": {"search-worker"}}[name]
    planned = spec["root"]["dag"]["tasks"]["plan" if name == "train" else "search-plan"]
    assert planned["inputs"]["parameters"]["accelerators"]["runtimeValue"]["constant"] == 1
