"""The engines that TensorRT can build from an export, and the reports on how they run each node."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from speech_emotion.export.files import FP32, INT8, OPERATORS, OPERATORS_CARD, PRUNED
from speech_emotion.export.graph import read_graph
from speech_emotion.export.precision import Report, report
from speech_emotion.reporting.rendering import render
from speech_emotion.store.atomic import write_text


@dataclass(frozen=True)
class Engine:
    """One way to build an engine.

    Attributes:
        file: name of the ONNX file in the export.
        precision: one of precision.PRECISIONS.
        description: a line for people.
    """

    file: str
    precision: str
    description: str


ENGINES = {
    "fp32": Engine(FP32, "fp32", "32-bit floats; the figures of the model card are of this form"),
    "fp16": Engine(FP32, "fp16", "16-bit floats behind the front-end, for TensorRT"),
    "int8-trt": Engine(INT8, "int8", "8-bit convolutions and dense layers for TensorRT"),
    "int8-calibrated": Engine(FP32, "int8-calibrated", "8-bit convolutions by calibration cache, for TensorRT"),
}
PRUNED_ENGINES = {
    PRUNED + name: Engine(PRUNED + ENGINES[name].file, ENGINES[name].precision, f"filters removed; {text}")
    for name, text in (
        ("fp32", "32-bit floats"),
        ("fp16", ENGINES["fp16"].description),
        ("int8-trt", ENGINES["int8-trt"].description),
    )
}


def engines(exported: Path) -> dict[str, Engine]:
    """Name -> engine that can be built from the export in this folder, including pruned forms if it has them."""
    return ENGINES | PRUNED_ENGINES if (exported / (PRUNED + FP32)).is_file() else ENGINES


def reports(models: Mapping[str, tuple[Path, str]]) -> dict[str, Report]:
    """Name -> report on an engine.

    Args:
        models: name -> (ONNX file, one of precision.PRECISIONS).

    Raises:
        UserError: an engine of this precision cannot be built from its file.
    """
    return {name: report(read_graph(file), precision) for name, (file, precision) in models.items()}


def exported_reports(exported: Path) -> dict[str, Report]:
    """Name -> report on each engine of the export in this folder."""
    return reports({name: (exported / engine.file, engine.precision) for name, engine in engines(exported).items()})


def write_reports(folder: Path, found: Mapping[str, Report]) -> None:
    """Writes them as operators.json and, for people, as OPERATORS.md."""
    data = {name: one.to_json() for name, one in found.items()}
    write_text(folder / OPERATORS, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    write_text(folder / OPERATORS_CARD, render("operators.md.j2", reports=found))
