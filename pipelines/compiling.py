"""Compiles pipelines to YAML: the same code, params.yaml, settings and digests give the same bytes."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kfp import compiler
from kfp.dsl.base_component import BaseComponent

from pipelines import release, search, train
from pipelines.settings import Settings, load_settings
from speech_emotion.errors import UserError
from speech_emotion.params import PARAMS_FILE, load_params
from speech_emotion.store.atomic import atomic_file
from speech_emotion.yaml_files import read_yaml

PIPELINES: Mapping[str, Callable[..., BaseComponent]] = {
    module.NAME: module.build for module in (train, search, release)
}
COMPILED = Path("build/pipelines")


def build(name: str, settings: Settings | None = None, local: bool = False) -> BaseComponent:
    """Builds a pipeline; the default of its parameter params is params.yaml of the working folder.

    Args:
        name: a key of PIPELINES.
        settings: of the cluster; pipelines/cluster.yaml by default.
        local: for a run on this machine.

    Raises:
        UserError: no such pipeline, or a fault in params.yaml or in the settings.
    """
    if name not in PIPELINES:
        raise UserError(f"pipeline {name}: must be one of {', '.join(PIPELINES)}")
    return PIPELINES[name](settings or load_settings(), params_text(), local=local)


def params_text() -> str:
    """params.yaml as JSON text, checked."""
    load_params(PARAMS_FILE)
    return json.dumps(read_yaml(PARAMS_FILE), ensure_ascii=False)


def compile_pipeline(name: str, folder: Path = COMPILED, settings: Settings | None = None) -> Path:
    """Compiles one pipeline for a cluster and returns its file, <folder>/<name>.yaml.

    Raises:
        UserError: no such pipeline, or a fault in params.yaml or in the settings.
    """
    pipeline, path = build(name, settings), folder / f"{name}.yaml"
    with atomic_file(path) as temporary:
        compiler.Compiler().compile(pipeline, str(temporary))
    return path


def compile_all(folder: Path = COMPILED) -> list[Path]:
    """Compiles every pipeline for a cluster."""
    settings: Any = load_settings()
    return [compile_pipeline(name, folder, settings) for name in PIPELINES]
