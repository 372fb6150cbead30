"""A whole run of pipeline train in subprocesses, started as a user would, on a small corpus."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from speech_emotion.params import load_params
from speech_emotion.recorder import Recorder
from speech_emotion.steps.driver import NAMES, execute, load_step

TOP = Path(__file__).parents[2]
RATE = 16000
PITCHES = {"anger": 330.0, "neutral": 220.0, "sadness": 150.0}
SPEAKERS = {"anna": 1.0, "ben": 0.8, "cleo": 1.1}
SYSTEMS = ("t2", "k2")
ALWAYS = {"plan", "track", "register"}


def _corpus(folder: Path) -> None:
    folder.mkdir(parents=True)
    rows = ["path,speaker,emotion"]
    time = np.arange(int(0.6 * RATE)) / RATE
    for speaker, voice in SPEAKERS.items():
        for emotion, pitch in PITCHES.items():
            for take in range(2):
                random = np.random.default_rng([len(rows), take])
                tone = np.sin(2 * np.pi * voice * pitch * (1 + take / 50) * time) * np.hanning(len(time))
                name = f"{speaker}-{emotion}-{take}.wav"
                soundfile.write(folder / name, 0.4 * tone + random.normal(scale=0.01, size=len(time)), RATE)
                rows.append(f"{name},{speaker},{emotion}")
    (folder / "utterances.csv").write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder like a checkout: params, protocols and data/; with two systems and features that are quick."""
    place = tmp_path_factory.mktemp("place")
    _corpus(place / "data" / "mine")
    raw = yaml.safe_load((TOP / "params.yaml").read_text())
    raw |= {"corpus": "mine", "candidates": list(SYSTEMS), "workers": 1}
    raw["budgets"]["mine"] = {
        "protocol": "own-speakers",
        "candidates": list(SYSTEMS),
        "seeds": [0],
        "max_epochs": 1,
        "folds": ["anna", "cleo"],
    }
    raw["track"]["uri"] = f"sqlite:///{place}/mlflow.db"
    raw["features"]["statistics"]["of"] = ["mspec-40", "mfcc-20"]
    raw["systems"]["k2"] |= {"units": 8, "layers": 1, "batch_size": 16}
    raw["evaluate"] |= {"bootstrap_draws": 100, "permutation_draws": 100}
    (place / "params.yaml").write_text(yaml.safe_dump(raw))
    (place / "protocols").symlink_to(TOP / "protocols")
    (place / "papers").mkdir()
    return place


def pipelines(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(TOP), str(TOP / "src")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pipelines", "run", "train", "--param", "shards=2"]
    command += ["--cache", "finished", *words]  # not the cache of the driver's own run
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def first(place) -> str:
    done = pipelines(place)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tasks(output: str, end: str) -> set[str]:
    return set(re.findall(rf"^(\S+): {end}", output, flags=re.MULTILINE))


def folders(place: Path, task: str) -> list[Path]:
    return sorted(path for path in (place / "artifacts/pipelines").rglob(task) if path.is_dir())


def test_every_task_of_the_graph_runs(first):
    assert tasks(first, "done") == {*NAMES, "plan", "fetch", "join", "join-2", "gather"}
    assert "\nfull log: " in first  # at the start of a line: kfp's threads indent what they print


def test_predictions_equal_the_drivers_to_the_bit(place, first, monkeypatch):
    monkeypatch.chdir(place)
    params = load_params()
    for name in NAMES[: NAMES.index("evaluate")]:
        for system in SYSTEMS if load_step(name).per_system else (None,):
            execute(load_step(name), params, system, recorder=Recorder(quiet=True))
    (gathered,) = folders(place, "gather")
    for system in SYSTEMS:
        ours = pd.read_parquet(gathered / "trained" / system / "predictions.parquet")
        theirs = pd.read_parquet(f"artifacts/train/{system}/predictions.parquet")
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
        assert set(ours["fold"]) == {"anna", "cleo"}


def test_the_pages_of_kubeflow_are_filled(place, first):
    (folder,) = folders(place, "evaluate")
    page = (folder / "report").read_text()
    assert page.count('src="data:image/png;base64,') >= 3 and 'src="figures' not in page
    assert "| system | UA |" in (folder / "table").read_text()
    assert "confusionMatrix" in (folder / "executor_output.json").read_text()
    assert "t2_ua" in (folder / "metrics").read_text()
    (folder,) = folders(place, "register")
    assert (folder / "decision").read_text().startswith(("# models:/speech-emotion/1 is champion", "# Nothing to"))


def test_an_unchanged_pipeline_skips_every_cached_step(place, first):
    again = pipelines(place)
    assert again.returncode == 0, again.stdout + again.stderr
    assert tasks(again.stdout, "found from an earlier run") == tasks(first, "done") - ALWAYS
    assert tasks(again.stdout, "started") == ALWAYS


def test_a_failing_step_is_retried_and_then_fails_the_run_with_its_own_message(place, first):
    done = pipelines(place, "--param", 'overrides=["ingest.min_seconds=5"]')
    assert done.returncode == 1
    assert "ingest: failed, attempt 1 of 2; tried again" in done.stdout
    assert tasks(done.stdout, "started") == {"plan", "ingest"}
    assert done.stderr.startswith("error: pipeline train: step ingest failed")
    assert "no file can be used" in done.stderr and "Traceback" not in done.stdout + done.stderr
