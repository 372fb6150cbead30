"""dvc.yaml depends on exactly the code that its steps import."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from speech_emotion.errors import UserError
from speech_emotion.steps import graph
from speech_emotion.steps.driver import NAMES, load_step

TOP = Path(__file__).parents[1]
SOURCE = "src/speech_emotion"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Replaces the real package by a made-up one: file name -> text."""

    def write(files: dict[str, str]) -> None:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    monkeypatch.setattr(graph, "SOURCE", tmp_path)
    write({"__init__.py": ""})
    return write


@pytest.mark.parametrize("name", NAMES)
def test_deps_and_params_of_a_stage_are_those_of_its_step(name):
    stage = graph.stage_of(yaml.safe_load((TOP / "dvc.yaml").read_text(encoding="utf-8")), name)
    step = load_step(name)
    assert stage["deps"] == graph.stage_deps(step), "run make graph"
    assert stage.get("params", []) == graph.stage_params(step), "run make graph"


@pytest.mark.parametrize("name", NAMES)
def test_every_dep_on_code_exists(name):
    for dep in graph.stage_deps(load_step(name)):
        if dep.startswith(("src/", "jetson/")) and "${" not in dep:
            assert (TOP / dep).exists(), dep


@pytest.mark.parametrize("name", ("ingest", "preprocess", "features", "train", "evaluate"))
def test_the_modules_that_python_loads_for_a_step_are_in_its_closure(name):
    """Compares the syntax tree with the interpreter."""
    program = (
        f"import sys, speech_emotion.steps.{name}\n"
        "for module in list(sys.modules.values()):\n"
        "    if getattr(module, '__name__', '').split('.')[0] in ('speech_emotion', 'speech_emotion_jetson'):\n"
        "        print(module.__file__)\n"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {Path(line).relative_to(TOP).as_posix() for line in finished.stdout.splitlines()}
    assert f"{SOURCE}/steps/{name}.py" in loaded
    assert loaded <= set(graph.import_closure(f"speech_emotion.steps.{name}"))


def test_another_python_is_refused_with_the_right_version(tmp_path):
    (tmp_path / "python").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python").chmod(0o755)
    command = yaml.safe_load((TOP / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["check"]["cmd"][0]
    finished = subprocess.run(["/bin/sh", "-c", command], env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert finished.returncode == 1
    assert finished.stderr.startswith("error: python is not the one of this project: run make env")


def test_rewriting_an_up_to_date_graph_changes_no_byte():
    text = (TOP / "dvc.yaml").read_text(encoding="utf-8")
    assert graph.rewritten(text, [load_step(name) for name in NAMES]) == text


def test_rewriting_adds_a_missing_dep_and_keeps_comments():
    text = (TOP / "dvc.yaml").read_text(encoding="utf-8")
    line = f"      - {SOURCE}/steps/ingest.py\n"
    assert line in text
    assert graph.rewritten(text.replace(line, "", 1), [load_step(name) for name in NAMES]) == text


def test_a_graph_without_a_stage_for_a_step_is_refused():
    with pytest.raises(UserError, match=r"stages\.ingest: is missing"):
        graph.rewritten("stages: {}\n", [load_step("ingest")])


def test_the_closure_follows_imports_of_imports_and_those_inside_functions(package):
    package(
        {
            "a.py": "from speech_emotion.b import thing\n",
            "b.py": "def f():\n    import speech_emotion.c\n",
            "c.py": "import os\n",
            "d.py": "",
        }
    )
    assert graph.import_closure("speech_emotion.a") == [f"{SOURCE}/{name}.py" for name in ("__init__", "a", "b", "c")]


def test_the_closure_has_parent_packages_and_relative_imports(package):
    package({"p/__init__.py": "", "p/a.py": "from . import b\nfrom ..q import c\n", "p/b.py": "", "q/__init__.py": ""})
    package({"q/c.py": ""})
    names = ("__init__", "p/__init__", "p/a", "p/b", "q/__init__", "q/c")
    assert graph.import_closure("speech_emotion.p.a") == [f"{SOURCE}/{name}.py" for name in names]


def test_the_closure_has_data_files_beside_the_code_that_names_them(package):
    package({"p/__init__.py": "", "p/a.py": "FILE = 'ops.json'\n", "p/ops.json": "{}", "p/other.json": "{}"})
    names = ("__init__.py", "p/__init__.py", "p/a.py", "p/ops.json")
    assert graph.import_closure("speech_emotion.p.a") == [f"{SOURCE}/{name}" for name in names]


def test_a_recipe_or_feature_depends_only_on_its_own_file():
    deps = graph.stage_deps(load_step("features"))
    assert deps == ["artifacts/wanted/features/${key}.json"] and graph.stage_params(load_step("features")) == []
    deps = graph.stage_deps(load_step("preprocess"))
    assert "artifacts/wanted/recipes/waveforms/${key}.json" in deps
    assert not [dep for dep in deps if dep.startswith("src/")]


@pytest.mark.parametrize("name", NAMES)
def test_no_stage_depends_on_infrastructure_code(name):
    for dep in graph.stage_deps(load_step(name)):
        assert dep.removeprefix(f"{SOURCE}/") not in graph.CARRIERS


def test_a_training_depends_on_versions_of_systems_and_features_and_not_on_their_code():
    deps = graph.stage_deps(load_step("train"))
    assert "artifacts/wanted/inputs/${item}.json" in deps and f"{SOURCE}/training" in deps
    assert not {f"{SOURCE}/{room}" for room in graph.COVERED_ROOMS} & set(deps)
    for name in ("select", "tune"):  # tune by the search spaces
        assert f"{SOURCE}/systems" in graph.stage_deps(load_step(name))
    assert "budgets.${corpus}" not in graph.stage_params(load_step("train"))


def test_a_stage_depends_on_the_modules_of_the_devices_runtime_that_it_imports():
    deps = set(graph.stage_deps(load_step("export")))
    assert {f"{graph.RUNTIME_SOURCE}/{name}.py" for name in ("streaming", "measures", "out_of_distribution")} <= deps
    assert f"{graph.RUNTIME_SOURCE}/serving.py" not in deps
    assert not [dep for dep in graph.stage_deps(load_step("train")) if dep.startswith(graph.RUNTIME_SOURCE)]
