"""The exported system as a logged model of the store, for code and model servers; takes waveforms of any length."""

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

import mlflow
import mlflow.pyfunc
from mlflow.entities import LoggedModel, LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import Array, Map

import speech_emotion
import speech_emotion_jetson
from speech_emotion.tracking.connection import Store
from speech_emotion.tracking.serving import EMOTION, EXPORT, OUT_OF_DISTRIBUTION, PROBABILITIES, RATE, WAVEFORM

NAME = "recogniser"
NEEDED_TO_RUN = ("mlflow", "numpy", "onnxruntime", "pandas", "soundfile", "soxr")
PACKAGES = [Path(package.__file__).parent for package in (speech_emotion, speech_emotion_jetson)]
SERVED = Path(__file__).with_name("served_model.py")
EXAMPLE = {WAVEFORM: [0.0, 0.25, 0.5, 0.25, 0.0, -0.25, -0.5, -0.25], RATE: 16000}
SIGNATURE = ModelSignature(
    Schema([ColSpec(Array(DataType.double), WAVEFORM), ColSpec(DataType.long, RATE, required=False)]),
    Schema(
        [
            ColSpec(DataType.string, EMOTION),
            ColSpec(Map(DataType.double), PROBABILITIES),
            ColSpec(DataType.boolean, OUT_OF_DISTRIBUTION),
        ]
    ),
)


def log_model(store: Store, run: str, path: Path, tags: Mapping[str, str]) -> None:
    """Logs the output of the export step, with the code that runs it, as a model of a run.

    It consists of code and files (no pickle) and includes the package and the device's runtime, so that it needs only
    the pinned requirements, which do not include torch.

    Args:
        store: the tracking store.
        run: id of the run that presents it.
        path: fp32.onnx of the export step; its whole folder is included.
        tags: of the model.
    """
    with tempfile.TemporaryDirectory() as folder, mlflow.start_run(run_id=run), _quiet():
        for package in PACKAGES:
            shutil.copytree(package, Path(folder) / package.name, ignore=shutil.ignore_patterns("__pycache__"))
        mlflow.pyfunc.log_model(
            name=NAME,
            python_model=str(SERVED),
            artifacts={EXPORT: str(path.parent)},
            code_paths=[str(Path(folder) / package.name) for package in PACKAGES],
            signature=SIGNATURE,
            input_example=EXAMPLE,
            pip_requirements=[f"{package}=={metadata.version(package)}" for package in NEEDED_TO_RUN],
            tags=dict(tags),
        )


def has_model(store: Store, run: str) -> bool:
    """Whether the run has a model whose files exist."""
    return any(files_are_there(store, model.model_id) for model in models_of(store, run))


def files_are_there(store: Store, model: str, file: str = "MLmodel") -> bool:
    """Whether the store contains the files of a logged model; False for a deleted one.

    Args:
        store: the tracking store.
        model: id of the logged model.
        file: the one file that is looked for.
    """
    try:
        if store.client.get_logged_model(model).status != LoggedModelStatus.READY:
            return False  # logging it was interrupted
        return any(found.path == file for found in store.client.list_logged_model_artifacts(model))
    except MlflowException as error:
        if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            return False
        raise


def delete_models(store: Store, run: str) -> None:
    """Deletes the models that a run presents."""
    for model in models_of(store, run):
        store.client.delete_logged_model(model.model_id)


def models_of(store: Store, run: str) -> list[LoggedModel]:
    """The models that a run presents, without deleted ones."""
    return list(store.client.search_logged_models([store.experiment], f"source_run_id = '{run}'"))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides the library's hints, for example to register the model: they do not apply here."""
    logger = logging.getLogger("mlflow")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
