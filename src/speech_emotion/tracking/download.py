"""Downloads a model from the tracking store into a folder that inference can read."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

from speech_emotion.errors import UserError
from speech_emotion.export.files import BUNDLE
from speech_emotion.store.locks import SQLITE
from speech_emotion.tracking.connection import open_store


@contextlib.contextmanager
def downloaded_model(model: str, uri: str, experiment: str) -> Iterator[Path]:
    """Downloads a model's files and yields the folder that contains bundle.json; it is removed afterwards.

    Args:
        model: models:/name/version, models:/name@alias, or runs:/run/path.
        uri: address of the tracking store.
        experiment: name of its experiment.

    Raises:
        UserError: there is no store or no such model, or the model has no bundle.json.
    """
    store = Path(uri.removeprefix(SQLITE))
    if uri.startswith(SQLITE) and not store.is_file():
        raise UserError(f"model = {model}: {store}: is not there: run make run first, or name a folder of models")
    with open_store(uri, experiment), tempfile.TemporaryDirectory() as folder:
        try:
            mlflow.artifacts.download_artifacts(artifact_uri=model, dst_path=folder)
        except MlflowException as error:
            first = str(error).strip().splitlines()[0]
            raise UserError(f"model = {model}: {first}: name a version or an alias in the registry") from None
        found = sorted(Path(folder).rglob(BUNDLE))
        if not found:
            raise UserError(f"model = {model}: contains no {BUNDLE}: register the output of the export step")
        yield found[0].parent
