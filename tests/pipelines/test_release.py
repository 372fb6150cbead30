"""Pipeline release, run in subprocesses, with a registry in a database file."""

import json
from pathlib import Path

import pytest
import yaml

from made_up_device import write_whole_export
from made_up_workplace import TOP
from pipelines.release import build
from pipelines.runners import Place
from pipelines.running import run
from pipelines.settings import load_settings
from speech_emotion.store.hashing import sha256_file
from speech_emotion.tracking.connection import Store, open_store
from speech_emotion.tracking.versions import read_state
from speech_emotion_jetson.bundle import opened

NAME = EXPERIMENT = "speech-emotion"


@pytest.fixture
def uri(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture
def release(tmp_path, uri, monkeypatch):
    """Runs the pipeline once; returns the artifacts of its export, or None if it exported nothing."""
    for name in ("DATA_FOLDER", "SPEECH_EMOTION_CACHE", "SPEECH_EMOTION_TRACK", "LOKY_MAX_CPU_COUNT"):
        monkeypatch.setenv(name, "")  # restored afterwards
    raw = yaml.safe_load((TOP / "params.yaml").read_text())
    raw["track"]["uri"] = uri
    pipeline = build(load_settings(), json.dumps(raw), local=True)
    place = Place(tmp_path / "runs", tmp_path, tmp_path / "kept", "", 1)

    def released() -> Path | None:
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it when a store is opened
        before = set(place.root.glob("release-*"))
        run(pipeline, {}, place, "subprocess")
        (this,) = set(place.root.glob("release-*")) - before
        return next(this.rglob("release-export"), None)

    return released


def _crown(store: Store, folder: Path) -> None:
    """Registers the next version and makes it champion."""
    write_whole_export(folder, system="k2")
    bundle = json.loads((folder / "bundle.json").read_text())
    bundle["sha256"]["int8.onnx"] = sha256_file(folder / "int8.onnx")
    (folder / "bundle.json").write_text(json.dumps(bundle | {"title": folder.name}))
    (folder / "check.json").write_text("{}")
    (folder / "MODEL_CARD.md").write_text(f"# {folder.name}\n")
    run = store.client.create_run(store.experiment).info.run_id
    model = store.client.create_logged_model(store.experiment, "recogniser", run).model_id
    store.client.log_model_artifacts(model, str(folder))
    store.client.finalize_logged_model(model, "READY")
    if not read_state(store, NAME).versions:
        store.client.create_registered_model(NAME)
    made = store.client.create_model_version(NAME, f"models:/{model}", run, model_id=model)
    store.client.set_registered_model_alias(NAME, "champion", made.version)


def test_a_champion_is_released_and_the_next_run_has_nothing_to_do(uri, release, tmp_path):
    with open_store(uri, EXPERIMENT) as store:
        _crown(store, tmp_path / "first")
    exported = release()
    assert json.loads((exported / "bundle" / "bundle.json").read_text())["title"] == "first"
    assert json.loads((exported / "metrics").read_text())["agreement_on_noise"] == 1.0
    assert (exported / "card").read_text() == "# first\n"
    with open_store(uri, EXPERIMENT) as store:
        assert read_state(store, NAME).version(1).aliases == ("champion", "released")
        (device,) = read_state(store, f"{NAME}-jetson").versions
    assert (device.tags["source_version"], device.aliases) == ("1", ("champion",))
    with opened(exported / "device" / "speech-emotion-jetson.tar.gz") as bundle:
        assert (bundle.title, bundle.source) == ("first", f"models:/{NAME}/1")
    (recorded,) = tmp_path.glob("runs/release-*/release-record/released")
    assert recorded.read_text().startswith("# models:/speech-emotion/1 is released\n\n| version | hash of its files |")
    assert "before" not in recorded.read_text()
    assert release() is None
