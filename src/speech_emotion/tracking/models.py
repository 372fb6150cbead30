"""The exported graph as a model of the store, loadable by `mlflow.onnx`, `mlflow.pyfunc` and a model server."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

import mlflow
import mlflow.onnx
import numpy as np
import onnx
from mlflow.entities import LoggedModel
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

from speech_emotion.tracking.connection import Store

NAME = "classifier"
NEEDED_TO_RUN = ("numpy", "onnx", "onnxruntime")


def log_model(store: Store, run: str, path: Path, tags: Mapping[str, str]) -> None:
    """Logs an ONNX graph with signature and input example as a model of a run.

    Args:
        run: id of the run that presents it.
        path: fp32.onnx as the export step writes it.
    """
    model = onnx.load(path)
    shapes = {value.name: _shape(value) for value in (model.graph.input[0], model.graph.output[0])}
    specs = [TensorSpec(np.dtype(np.float32), shape, name) for name, shape in shapes.items()]
    (name, shape), _ = shapes.items()
    with mlflow.start_run(run_id=run), _quiet():
        mlflow.onnx.log_model(
            model,
            name=NAME,
            signature=ModelSignature(Schema(specs[:1]), Schema(specs[1:])),
            input_example={name: np.zeros(shape, np.float32)},
            pip_requirements=[f"{package}=={metadata.version(package)}" for package in NEEDED_TO_RUN],
            onnx_execution_providers=["CPUExecutionProvider"],
            save_as_external_data=False,
            tags=dict(tags),
        )


def has_model(store: Store, run: str) -> bool:
    """Whether the run's model is there, its files included."""
    for model in models_of(store, run):
        with contextlib.suppress(Exception):
            if any(file.path == "MLmodel" for file in store.client.list_logged_model_artifacts(model.model_id)):
                return True
    return False


def delete_models(store: Store, run: str) -> None:
    """Deletes the models that a run presents."""
    for model in models_of(store, run):
        store.client.delete_logged_model(model.model_id)


def models_of(store: Store, run: str) -> list[LoggedModel]:
    """The models that a run presents; deleted ones are not among them."""
    return list(store.client.search_logged_models([store.experiment], f"source_run_id = '{run}'"))


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The library suggests registering models and other things that are not the user's business here."""
    logger = logging.getLogger("mlflow")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
