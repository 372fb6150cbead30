"""Downloads of a model into a folder that inference can read."""

import mlflow
import pytest

from speech_emotion.errors import UserError
from speech_emotion.tracking.connection import open_store
from speech_emotion.tracking.download import downloaded_model


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with a run that has a bundle and an artifact without one: its uri and the run's id."""
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    with open_store(uri, "e") as opened:
        run = opened.client.create_run(opened.experiment).info.run_id
        opened.client.log_text(run, "{}", "model/artifacts/export/bundle.json")
        opened.client.log_text(run, "weights", "model/artifacts/export/fp32.onnx")
        opened.client.log_text(run, "{}", "other/notes.txt")
    return uri, run


def test_the_folder_contains_the_bundle_and_is_removed_afterwards(store):
    uri, run = store
    before = mlflow.get_tracking_uri()
    with downloaded_model(f"runs:/{run}/model", uri, "e") as folder:
        assert sorted(path.name for path in folder.iterdir()) == ["bundle.json", "fp32.onnx"]
    assert not folder.exists()
    assert mlflow.get_tracking_uri() == before


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("runs:/{run}/other", "contains no bundle.json: register the output of the export step"),
        ("models:/absent@champion", "name a version or an alias in the registry"),
        ("models:/absent", "name a version or an alias in the registry"),
    ],
)
def test_a_model_without_a_bundle_is_refused(store, model, message):
    uri, run = store
    with pytest.raises(UserError, match=message), downloaded_model(model.format(run=run), uri, "e"):
        pass


def test_a_missing_store_is_named_and_not_created(tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with pytest.raises(UserError, match=r"mlflow\.db: is not there"), downloaded_model("models:/a@b", uri, "e"):
        pass
    assert list(tmp_path.iterdir()) == []
