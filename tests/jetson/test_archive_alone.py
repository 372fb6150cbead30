"""The archive of a bundle, unpacked by tar, in a Python that has only numpy and onnxruntime."""

import csv
import importlib.util
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from made_up_device import write_whole_export
from made_up_export import LABELS
from speech_emotion.export.device import make_device_bundle
from speech_emotion.inference import Recogniser

SEEN = ("numpy", "onnxruntime")


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """An interpreter whose only packages are links to the two requirements."""
    folder = tmp_path_factory.mktemp("python")
    (folder / "packages").mkdir()
    for name in SEEN:
        package = Path(importlib.util.find_spec(name).origin).parent
        for part in (package, package.with_name(f"{name}.libs")):
            if part.exists():
                (folder / "packages" / part.name).symlink_to(part)
    program = folder / "python"
    path = f'"$PYTHONPATH:{folder / "packages"}"'
    program.write_text(f'#!/bin/sh\nPYTHONPATH={path} exec "{sys.executable}" -S "$@"\n')
    program.chmod(0o755)
    return program


@pytest.fixture(scope="module")
def export(tmp_path_factory) -> Path:
    return write_whole_export(tmp_path_factory.mktemp("export") / "export")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory, export) -> Path:
    """The bundle unpacked as on a device."""
    folder = tmp_path_factory.mktemp("device")
    archive = make_device_bundle(export, folder / "bundle.tar.gz", source="models:/speech-emotion/1")
    subprocess.run(["tar", "xzf", archive.name], cwd=folder, check=True)
    archive.unlink()
    return folder / "bundle"


@pytest.fixture
def run(python, unpacked, tmp_path):
    def ran(*arguments, **more):
        environment = {"PATH": "/usr/bin:/bin", "PYTHON": str(python)}
        command = [unpacked / "run", *map(str, arguments)]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=True, **more).stdout

    return ran


@pytest.mark.parametrize("package", ["speech_emotion", "torch", "onnx", "soundfile", "scipy", "mlflow"])
def test_the_interpreter_has_no_other_packages(python, tmp_path, package):
    command = [python, "-c", f"import numpy, onnxruntime, {package}"]
    environment = {"PATH": "/usr/bin:/bin"}
    finished = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert f"No module named '{package}'" in finished.stderr


def test_a_recording_gets_the_same_answer_as_in_the_project(run, unpacked, export):
    sample = unpacked / "samples/anger.wav"
    (row,) = csv.DictReader(io.StringIO(run("file", "--format", "csv", sample).decode()))
    expected = Recogniser.load(export).predict_file(sample)
    assert row["emotion"] == expected.emotion
    found = [float(row[f"p_{label}"]) for label in LABELS]
    np.testing.assert_allclose(found, list(expected.probabilities.values()), atol=1e-5)


def test_show_and_time_print_their_tables(run, unpacked):
    assert b"from models:/speech-emotion/1" in run("show")
    found = json.loads(run("time", "--json", "--repeat", "3", unpacked / "samples/anger.wav"))
    assert found["answers"] == 3 and found["peak_megabytes"] < 150


def test_a_stream_gets_answers(run, unpacked):
    samples = (unpacked / "samples/anger.wav").read_bytes()[44:]
    assert b'"emotion"' in run("stream", "--format", "jsonl", input=samples)


def test_the_archive_holds_its_documented_files(unpacked):
    held = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert {
        "bundle.json",  # labels and feature definition: rate, window, hop, level, temperature
        "models/fp32.onnx",
        "models/int8-trt.onnx",
        "models/calibration.cache",
        "MODEL_CARD.md",
        "OPERATORS.md",
        "operators.json",
        "out_of_distribution.json",
        "checksums.sha256",
        "build_engine.sh",
        "Dockerfile",
        "requirements.txt",
        "run",
        "runtime/speech_emotion_jetson/cli.py",
    } <= held
    bundle = json.loads((unpacked / "bundle.json").read_text())
    assert bundle["labels"] == list(LABELS) and bundle["licences"]
