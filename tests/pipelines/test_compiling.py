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
WHERE_A_RUN_DECIDES = "{{$.inputs.parameters['pipelinechannel--accelerators']}}"  # system by system


@pytest.fixture(autouse=True)
def at_the_top(monkeypatch):
    monkeypatch.chdir(TOP)


def test_compiling_twice_in_two_processes_gives_the_same_bytes(tmp_path):
    for seed in "1", "2":  # of the hashes that the order in sets goes by
        command = [sys.executable, "-m", "pipelines", "compile", "--out", str(tmp_path / seed)]
        subprocess.run(command, check=True, env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(TOP / "src"), "PATH": ""})
    for name in compiling.PIPELINES:
        assert (tmp_path / "1" / f"{name}.yaml").read_bytes() == (tmp_path / "2" / f"{name}.yaml").read_bytes()


def test_a_pipeline_takes_params_yaml_where_a_run_gives_no_other(tmp_path):
    path = compiling.compile_pipeline("train", tmp_path)
    spec = next(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    raw = yaml.safe_load((TOP / "params.yaml").read_text(encoding="utf-8"))
    assert json.loads(parameters["params"]["defaultValue"]) == raw
    assert parameters["systems"]["defaultValue"] == []


def test_nothing_secret_is_a_parameter(tmp_path):
    for name in compiling.PIPELINES:
        path = compiling.compile_pipeline(name, tmp_path)
        spec = next(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        for parameter in spec["root"]["inputDefinitions"]["parameters"]:
            assert not {"token", "password", "secret", "key"} & set(parameter.lower().split("_"))


def test_the_same_settings_dress_every_task(tmp_path):
    path = compiling.compile_pipeline("train", tmp_path)
    spec = next(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    settings = load_settings()
    for name, executor in spec["deploymentSpec"]["executors"].items():
        step = name.removeprefix("exec-").removesuffix("-2")
        resources = executor["container"]["resources"]
        assert resources["resourceMemoryLimit"] == settings.resources(step).memory, step
        assert resources["resourceCpuLimit"] == settings.resources(step).cpu, step


def test_what_looks_at_the_store_or_the_code_is_never_taken_from_a_cache(tmp_path):
    path = compiling.compile_pipeline("train", tmp_path)
    tasks = next(yaml.safe_load_all(path.read_text(encoding="utf-8")))["root"]["dag"]["tasks"]
    assert {name for name, task in tasks.items() if not task["cachingOptions"]} == {"plan", "track", "register"}


def test_an_unknown_pipeline_names_the_known_ones():
    with pytest.raises(UserError, match="pipeline trian: must be one of train"):
        compiling.build("trian")


@pytest.mark.parametrize("name", ["train", "search"])
def test_with_gpus_the_steps_that_train_get_them_the_cuda_image_and_the_device(tmp_path, name):
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
        counted = {"train": WHERE_A_RUN_DECIDES, "search-worker": WHERE_A_RUN_DECIDES, "select": "1"}
        if with_gpu:
            assert container["resources"]["accelerator"]["resourceCount"] == counted[step]
    assert trained == {"train": {"train", "select"}, "search": {"search-worker"}}[name]
    planned = spec["root"]["dag"]["tasks"]["plan" if name == "train" else "search-plan"]
    assert planned["inputs"]["parameters"]["accelerators"]["runtimeValue"]["constant"] == 1
