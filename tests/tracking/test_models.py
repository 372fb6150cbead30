import json
import os
import signal
import socket
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import requests
from mlflow.exceptions import MlflowException
from packaging.requirements import Requirement

from made_up_results import LABELS
from speech_emotion.tracking.connection import open_store
from speech_emotion.tracking.models import has_model, log_model, models_of

HAPPY = np.repeat([0.0, 1.0, 0.0, 0.0], 4).tolist()  # one window with the second emotion for the made-up graph
NAME = "speech-emotion"


@pytest.fixture
def uri(exported, new_database):
    """A store with the made-up export as a registered model, champion."""
    address = new_database()
    with open_store(address, "speech-emotion") as store:
        run = store.client.create_run(store.experiment).info.run_id
        log_model(store, run, exported.exported / "fp32.onnx", {"corpus": "emodb"})
        assert has_model(store, run)
        (model,) = models_of(store, run)
        store.client.create_registered_model(NAME)
        store.client.create_model_version(NAME, f"models:/{model.model_id}", run, model_id=model.model_id)
        store.client.set_registered_model_alias(NAME, "champion", "1")
    return address


def test_the_model_answers_requests_of_any_form_and_refuses_bad_ones(uri):
    with open_store(uri, "speech-emotion"):
        model = mlflow.pyfunc.load_model(f"models:/{NAME}@champion")
    assert model.metadata.get_input_schema().required_input_names() == ["waveform"]
    answer = model.predict({"waveform": HAPPY})
    assert answer["emotion"].tolist() == [LABELS[1]]
    assert set(answer["probabilities"][0]) == set(LABELS)
    assert sum(answer["probabilities"][0].values()) == pytest.approx(1.0)
    assert answer["out_of_distribution"].tolist() in ([True], [False])
    table = pd.DataFrame({"waveform": [HAPPY, HAPPY * 5000], "sample_rate": [16000, 44100]})
    assert len(model.predict(table)) == 2
    for question, words in (
        ({"waveform": [0.1, float("nan")]}, "NaN"),
        ({"waveform": []}, "none"),
        ({"waveform": HAPPY, "sample_rate": 7}, "sample_rate = 7"),
        ({"waveform": [20000.0, -20000.0]}, "32768"),
    ):
        with pytest.raises(MlflowException, match=words) as caught:
            model.predict(question)
        assert caught.value.get_http_status_code() == 400


def environment_of(requirements: Path, folder: Path) -> Path:
    """A folder with links to only the packages that the requirements need."""
    waiting = [Requirement(line) for line in requirements.read_text().splitlines()]
    found = set()
    while waiting:
        requirement = waiting.pop()
        if requirement.name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(requirement.name)
        distribution = metadata.distribution(requirement.name)
        assert requirement.specifier.contains(distribution.version)
        waiting += map(Requirement, distribution.requires or [])
        for top in {path.parts[0] for path in distribution.files} - {".."}:
            if not (folder / top).exists():
                (folder / top).symlink_to(distribution.locate_file(top))
    return folder


def test_the_model_runs_with_only_its_requirements_installed(uri, tmp_path):
    """The project's packages are not installed: the model contains them."""
    with open_store(uri, "speech-emotion"):
        requirements = mlflow.pyfunc.get_model_dependencies(f"models:/{NAME}@champion")
    (tmp_path / "packages").mkdir()
    packages = environment_of(Path(requirements), tmp_path / "packages")
    script = (
        "import importlib.util, json, mlflow, sys\n"
        "assert not any(map(importlib.util.find_spec, ('speech_emotion', 'speech_emotion_jetson', 'torch')))\n"
        f"mlflow.set_tracking_uri({uri!r})\n"
        f"model = mlflow.pyfunc.load_model('models:/{NAME}@champion')\n"
        f"answer = model.predict({{'waveform': {HAPPY}, 'sample_rate': 44100}})\n"
        "import speech_emotion, speech_emotion_jetson\n"
        "modules = sorted({module.split('.')[0] for module in sys.modules})\n"
        "files = [speech_emotion.__file__, speech_emotion_jetson.__file__]\n"
        "print(json.dumps([answer['emotion'][0], files, modules]))"
    )
    command = [sys.executable, "-S", "-c", script]  # without site-packages
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(packages), "MLFLOW_DISABLE_TELEMETRY": "true"}
    finished = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    emotion, files, modules = json.loads(finished.stdout.splitlines()[-1])
    assert emotion in LABELS
    assert "/code/speech_emotion/" in files[0] and "/code/speech_emotion_jetson/" in files[1]
    assert not {"torch", "librosa", "sklearn", "dvc", "optuna", "onnx"} & set(modules)
    assert {line.split("==")[0] for line in Path(requirements).read_text().splitlines()} <= set(modules)


def ask(port, question):
    return requests.post(f"http://127.0.0.1:{port}/invocations", json=question, timeout=60)


def test_model_server_answers_over_http(uri, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{NAME}@champion"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "-p", str(port)]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    with open(tmp_path / "server.log", "wb") as log:
        server = subprocess.Popen(
            command, env=environment, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True
        )
    try:
        while True:
            assert server.poll() is None, (tmp_path / "server.log").read_text()
            try:
                if requests.get(f"http://127.0.0.1:{port}/ping", timeout=5).ok:
                    break
            except requests.RequestException:
                time.sleep(0.2)  # until it answers or ends, without a time limit
        long = HAPPY * 20000  # 20 s
        for question in (
            {"inputs": {"waveform": long}},
            {"inputs": {"waveform": long, "sample_rate": 16000}},
            {"dataframe_split": {"columns": ["waveform", "sample_rate"], "data": [[long, 16000]]}},
            {"dataframe_records": [{"waveform": long}]},
        ):
            answer = ask(port, question)
            assert answer.status_code == 200, answer.text
            (prediction,) = answer.json()["predictions"]
            assert prediction["emotion"] in LABELS
            assert set(prediction["probabilities"]) == set(LABELS)
            assert isinstance(prediction["out_of_distribution"], bool)
        for question in (
            {"inputs": {"waveform": []}},
            {"inputs": {"waveform": HAPPY, "sample_rate": 7}},
            {"inputs": {"sound": HAPPY}},
            {"dataframe_records": [{"waveform": "no samples"}]},
        ):
            answer = ask(port, question)
            assert answer.status_code == 400, answer.text
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
