import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipelines import compiling
from speech_emotion.errors import UserError

TOP = Path(__file__).parents[2]


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


def test_an_unknown_pipeline_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="pipeline trian: must be one of train"):
        compiling.build("trian")
