"""The package is independent: no import of the project, hardly any package but numpy, Python 3.8."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "jetson/src/speech_emotion_jetson"
FILES = sorted(SOURCE.rglob("*.py"))
OTHERS = {
    "numpy",
    "onnxruntime",
    "soundfile",
    "tensorrt",
    "speech_emotion_jetson",
}  # the middle three are optional


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_module_imports_only_the_standard_library_and_numpy(path):
    assert imported(path) <= set(sys.stdlib_module_names) | OTHERS


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_module_has_the_syntax_of_python_3_8(path):
    ast.parse(path.read_text(), feature_version=(3, 8))


VERMIN = [sys.executable, "-c", "import vermin; vermin.main()", "-t=3.8-", "--violations", "--no-tips"]


def test_the_whole_package_needs_only_python_3_8():
    finished = subprocess.run([*VERMIN, str(SOURCE)], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout


def test_vermin_notices_newer_python(tmp_path):
    (tmp_path / "new.py").write_text("print('a.wav'.removesuffix('.wav'))\n")
    finished = subprocess.run([*VERMIN, str(tmp_path)], capture_output=True, text=True, check=False)
    assert finished.returncode != 0
    assert "3.9" in finished.stdout


def test_a_bundle_works_without_the_project(made, tmp_path):
    program = (
        "import sys\n"
        "sys.modules['speech_emotion'] = None\n"  # importing it fails
        "from speech_emotion_jetson.cli import main\n"
        f"status = main([{str(made)!r}, 'file', '--format', 'csv', {str(made / 'samples/anger.wav')!r}])\n"
        "print(status, sorted({'soxr', 'scipy', 'torch', 'onnx', 'soundfile'} & set(sys.modules)))\n"
    )
    finished = subprocess.run(
        [sys.executable, "-B", "-c", program],  # as ./run does: nothing is written into the bundle
        env={**os.environ, "PYTHONPATH": str(made / "runtime")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = finished.stdout.splitlines()
    assert lines[0].startswith("file,seconds,emotion,p_anger,p_neutral,p_sadness")
    assert lines[-1] == "0 []"


def test_the_bundles_script_runs_the_bundles_runtime(made, tmp_path):
    environment = {"PATH": os.environ["PATH"], "PYTHON": sys.executable}
    finished = subprocess.run([made / "run", "show"], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert "T0 made up" in finished.stdout
