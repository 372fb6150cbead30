"""The bundle with onnxruntime 1.18.1, as on the device, in an environment that has only the requirements."""

import csv
import io
import os
import subprocess
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from made_up_export import LABELS
from speech_emotion.export.device import make_device_bundle
from speech_emotion.inference import Recogniser

VERSIONS = "import onnxruntime, numpy; print(onnxruntime.__version__, numpy.__version__.split('.')[0])"


@pytest.fixture(scope="module")
def python():
    """An interpreter with onnxruntime 1.18.1 and numpy 1; skips if JETSON_PYTHON is not set."""
    path = os.environ.get("JETSON_PYTHON")
    if not path:
        pytest.skip("needs onnxruntime 1.18.1: set JETSON_PYTHON=interpreter that has it (see .ci/run)")
    found = subprocess.run([path, "-c", VERSIONS], capture_output=True, text=True, check=True).stdout.split()
    assert found == ["1.18.1", "1"]
    return path


def run(bundle, python, *arguments, **more):
    environment = {"PATH": os.environ["PATH"], "PYTHON": python}
    return subprocess.run([bundle / "run", *arguments], env=environment, capture_output=True, check=True, **more).stdout


@pytest.mark.parametrize("variant", ["fp32", "int8-trt", "int8-cpu"])
def test_files_get_the_same_answers(made, recogniser, python, variant):
    said = run(made, python, "folder", "--format", "csv", "--variant", variant, str(made / "samples")).decode()
    rows = list(csv.DictReader(io.StringIO(said)))
    assert len(rows) == len(list((made / "samples").iterdir()))
    for row in rows:
        expected = recogniser.predict_file(row["file"])
        found = [float(row[f"p_{label}"]) for label in LABELS]
        np.testing.assert_allclose(found, list(expected.probabilities.values()), atol=1e-4)


def test_a_stream_gets_answers(made, python):
    samples = (made / "samples/anger.wav").read_bytes()[44:]
    assert b'"emotion"' in run(made, python, "stream", "--format", "jsonl", input=samples)


def test_the_page_starts_and_answers(made, python):
    environment = {"PATH": os.environ["PATH"], "PYTHON": python}
    process = subprocess.Popen(
        [made / "run", "serve", "--port", "0"], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        address = process.stderr.readline().split()[1]
        headers = {"X-File-Name": "a.wav"}
        content = (made / "samples/anger.wav").read_bytes()
        request = urllib.request.Request(f"{address}api/analyse?brief", content, headers)
        with urllib.request.urlopen(request) as reply:
            assert reply.status == 200
        with urllib.request.urlopen(address) as reply:
            assert b"Emotion of speech" in reply.read()
    finally:
        process.terminate()
        process.wait()
        process.stderr.close()


def test_the_real_export_gives_the_same_answers(python, corpora, tmp_path):
    folder = os.environ.get("EXPORTED")
    if not folder:
        pytest.skip("needs a real export: set EXPORTED=artifacts/export")
    bundle = make_device_bundle(Path(folder), tmp_path / "device")
    paths = sorted((corpora / "emodb/wav").glob("*.wav"))[::107]
    said = run(bundle, python, "file", "--format", "csv", *map(str, paths)).decode()
    project = Recogniser.load(folder)
    for row in csv.DictReader(io.StringIO(said)):
        expected = project.predict_file(row["file"])
        found = [float(row[f"p_{label}"]) for label in expected.probabilities]
        np.testing.assert_allclose(found, list(expected.probabilities.values()), atol=1e-3)
        assert row["emotion"] == expected.emotion
