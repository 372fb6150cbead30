"""A model of the tracking store as a folder that inference reads."""

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
    """Fetches a model's files and yields the folder with bundle.json among them; removed afterwards.

    Args:
        model: models:/name/version, models:/name@alias, or runs:/run/path.
        uri: of the tracking store.
        experiment: of the tracking store.

    Raises:
        UserError: there is no store or no such model, or it lacks what inference reads.
    """
    store = Path(uri.removeprefix(SQLITE))
    if uri.startswith(SQLITE) and not store.is_file():
        raise UserError(f"model = {model}: {store}: is not there: run make run first, or name a folder of models")
    with open_store(uri, experiment), tempfile.TemporaryDirectory() as folder:
        try:
            mlflow.artifacts.download_artifacts(artifact_uri=model, dst_path=folder)
        except MlflowException as error:
            first = str(error).strip().splitlines()[0]
            raise UserError(f"model = {model}: {first}: name a version or an alias that the registry has") from None
        found = sorted(Path(folder).rglob(BUNDLE))
        if not found:
            raise UserError(f"model = {model}: holds no {BUNDLE}: register what the export step wrote")
        yield found[0].parent
