"""Step export: the selected deployable system -> ONNX for the device in FP32 and INT8, checked against the trained
model. With export.prune the same forms are also written with filters removed and fine-tuned. With export.qat the INT8
forms are fine-tuned if calibration without fine-tuning loses too much accuracy."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from speech_emotion.corpora.protocols import load_protocol, select_utterances
from speech_emotion.corpora.table import read_utterances
from speech_emotion.errors import UserError
from speech_emotion.evaluation.results import read_result
from speech_emotion.export.bundle import describe
from speech_emotion.export.calibration import calibration_cache
from speech_emotion.export.card import Facts, model_card
from speech_emotion.export.check import compare, exported_probabilities, trained_probabilities
from speech_emotion.export.engines import exported_reports, write_reports
from speech_emotion.export.files import (
    BUNDLE,
    CALIBRATION,
    CARD,
    CHECK,
    FP32,
    INT8,
    INT8_CPU,
    OUT_OF_DISTRIBUTION,
    PRUNED,
)
from speech_emotion.export.fine_tune import FoldModel
from speech_emotion.export.forms import exported_models
from speech_emotion.export.graph import Graph, serialise
from speech_emotion.export.operators import check_operators, count_operators
from speech_emotion.export.prune_fitting import prune_for_shipping
from speech_emotion.export.quantisation_aware_fitting import FORMS, QatJob, qat_for_shipping
from speech_emotion.export.quantise import quantised_layers
from speech_emotion.export.windows import speech_windows
from speech_emotion.inference.out_of_distribution_fitting import fit_detector, segments
from speech_emotion.parallel import ordered_map
from speech_emotion.recorder import Recorder
from speech_emotion.steps.step import Folders, Step, StepParams
from speech_emotion.steps.train import experiment_of
from speech_emotion.steps.wanted import TABLE
from speech_emotion.store.arrays import ArrayStore
from speech_emotion.store.atomic import atomic_file, write_text
from speech_emotion.store.hashing import sha256_file
from speech_emotion.store.naming import file_name
from speech_emotion.systems.catalogue import DEFINITION, load_system
from speech_emotion.systems.network import NetworkSystem
from speech_emotion_jetson.out_of_distribution import OodDetector


def run(inputs: Folders, params: StepParams, outputs: Folders, recorder: Recorder) -> None:
    """Writes fp32.onnx, int8.onnx, int8-cpu.onnx, with export.prune the same under pruned- names, calibration.cache,
    out_of_distribution.json, check.json, bundle.json, MODEL_CARD.md, and how TensorRT runs each node (operators.json,
    OPERATORS.md).

    If no system can be deployed, only check.json is written, with the reason.

    Raises:
        UserError: the device does not support the graph, FP32 differs from the trained model by more than
            `export.tolerance`, the system cannot be pruned, or export.prune or export.qat need the folds' models and
            these were not kept.
    """
    folder = outputs["exported"]
    if not (inputs["selected"] / "model" / DEFINITION).is_file():
        recorder.note("export: no candidate can run on the device: nothing to export")
        _write_json(folder / CHECK, {"deployable": "none: no candidate can run on the device"})
        return
    system = load_system(inputs["selected"] / "model")
    if system.not_deployable:
        raise UserError(
            f"{inputs['selected'] / 'model'}: {system.definition.id} cannot run on the device "
            f"({system.not_deployable}): run the select step again"
        )
    utterances = read_utterances(inputs["utterances"] / "utterances.parquet")
    waveforms = ArrayStore(inputs["waveforms"] / params.needs[system.definition.id].recipe)
    fitted, _ = select_utterances(utterances, load_protocol(params.budget.protocol))
    ids = [id for id in fitted["id"] if id in waveforms]
    least = round(params.needs[system.definition.id].min_seconds * system.definition.sample_rate)
    calibration = speech_windows(system, waveforms, ids, params.export.calibration_windows, least)
    test_windows = speech_windows(system, waveforms, ids[::-1], params.export.calibration_windows, least)

    check: dict[str, Any] = {"deployable": system.definition.id}
    systems = {"": system}
    if params.export.prune.share:
        systems[PRUNED], check["pruned"] = _pruned(system, inputs, params, recorder)
    graphs, trained = {}, {}
    for prefix, one in systems.items():
        expected = trained_probabilities(one.waveform_classifier(), test_windows)
        for name, graph in exported_models(one, params.export.opset, calibration).items():
            graphs[prefix + name], trained[prefix + name] = graph, expected
    if params.export.qat.enabled:
        aware, check["qat"] = _quantisation_aware(system, least, inputs, params, recorder)
        if aware is not None:
            graphs |= {name: exported_models(aware, params.export.opset, calibration)[name] for name in FORMS}
    for name, graph in recorder.progress(graphs.items(), "export", len(graphs)):
        found = _write_model(folder / name, graph, trained[name], test_windows)
        check[name.removesuffix(".onnx")] = found
        if name.endswith(FP32) and found["max_difference"] > params.export.tolerance:
            raise UserError(
                f"{name}: a probability differs from the trained model by {found['max_difference']:.2e}, "
                f"export.tolerance = {params.export.tolerance}: a layer of {system.definition.id} is exported wrongly: "
                "fix the layer"
            )
    check["calibration_windows"] = len(calibration)
    chosen = json.loads((inputs["selected"] / "best.json").read_text(encoding="utf-8"))
    detector = _detector(fitted, ids, waveforms, system.definition.sample_rate, params, recorder)
    _write_json(folder / OUT_OF_DISTRIBUTION, detector.to_json())
    write_text(folder / CALIBRATION, calibration_cache(graphs[FP32], calibration))
    write_reports(folder, exported_reports(folder))
    sha256 = {name: sha256_file(folder / name) for name in (*graphs, OUT_OF_DISTRIBUTION, CALIBRATION)}
    _write_json(folder / CHECK, check)
    bundle = describe(system, params.preprocess.level_dbfs, least, chosen["temperature"], fitted, sha256)
    _write_json(folder / BUNDLE, bundle)
    facts = Facts(
        result=read_result(inputs["trained"] / system.definition.id, system.definition.id),
        figures=chosen["figures"],
        utterances=utterances,
        fitted=fitted,
        bundle=bundle,
        check=check,
        table_sha256=sha256_file(inputs["utterances"] / "utterances.parquet"),
        refit=chosen["refit"],
        calibrated_ece=chosen["calibration"]["ece_after"],
    )
    write_text(folder / CARD, model_card(facts))
    recorder.note(
        f"export: {system.definition.config.title}: FP32 within {check['fp32']['max_difference']:.1e} of the trained "
        f"model; INT8 gives the same emotion in {100 * check['int8']['agreement']:.1f} % of {len(test_windows)} windows"
    )


def _write_model(path: Path, graph: Graph, trained: np.ndarray, windows: Sequence[np.ndarray]) -> dict[str, Any]:
    """Writes one form; returns its differences from the trained model over `windows`, and facts on its graph."""
    for_cpu = path.name.endswith(INT8_CPU)
    operators = count_operators(graph.model) if for_cpu else check_operators(graph.model)
    content = serialise(graph.model)
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)
    found = compare(trained, exported_probabilities(content, windows))
    layers = {"layers_in_int8": len(quantised_layers(graph.model))} if path.name.endswith(INT8) else {}
    sizes = {"bytes": len(content), "nodes": sum(operators.values())}
    return {**found, **sizes, "operators": operators, **layers}


def _pruned(
    system: NetworkSystem, inputs: Folders, params: StepParams, recorder: Recorder
) -> tuple[NetworkSystem, dict[str, Any]]:
    """Returns the deployed system with filters removed, and facts on it; see `prune_for_shipping`."""
    prune = params.export.prune
    models = _folds_models(system, inputs, params, f"export.prune.share = {prune.share:g}")
    return prune_for_shipping(system, models, prune, params.workers, recorder)


def _quantisation_aware(
    system: NetworkSystem, least_samples: int, inputs: Folders, params: StepParams, recorder: Recorder
) -> tuple[NetworkSystem | None, dict[str, Any]]:
    """Returns the fine-tuned system for INT8 (None to use the trained one), and facts on it; see `qat_for_shipping`."""
    waveforms = inputs["waveforms"] / params.needs[system.definition.id].recipe
    models = _folds_models(system, inputs, params, "export.qat.enabled = true")
    jobs = [QatJob(model, waveforms, least_samples, params.export) for model in models]
    return qat_for_shipping(system, jobs, params.workers, recorder)


def _folds_models(system: NetworkSystem, inputs: Folders, params: StepParams, asked: str) -> list[FoldModel]:
    """Returns the folds' models of the first seed.

    Args:
        asked: the setting that needs them, for the message.

    Raises:
        UserError: a model was not kept.
    """
    id, seed = system.definition.id, min(params.budget.seeds)
    experiment, _, folds = experiment_of(
        params.of_system(id), inputs["utterances"], inputs["features"], system.definition.config
    )
    paths = {fold.name: inputs["trained"] / id / "models" / file_name(f"{fold.name}-{seed}") for fold in folds}
    tested = set(read_result(inputs["trained"] / id, id).predictions["fold"])
    models = [FoldModel(paths[fold.name], experiment, fold, seed) for fold in folds if fold.name in tested]
    for model in models:
        if not (model.path / DEFINITION).is_file():
            raise UserError(
                f"{asked}: {model.path}: does not exist, but the folds' models are needed to measure the loss and to "
                "choose the epochs of fine-tuning: set train.keep_models: true and train.published_units: false"
            )
    return models


def _detector(
    utterances: pd.DataFrame,
    ids: Sequence[str],
    waveforms: ArrayStore,
    rate: int,
    params: StepParams,
    recorder: Recorder,
) -> OodDetector:
    """Fits the out-of-distribution detector to the training speech."""
    measure = partial(segments, rate=rate)
    found = ordered_map(measure, [waveforms[id] for id in ids], params.workers, recorder, "measure training speech")
    speakers = dict(zip(utterances["id"], utterances["speaker"], strict=True))
    return fit_detector(dict(zip(ids, found, strict=True)), speakers, params.export.ood_share, params.export.ood_margin)


def _write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


STEP = Step(
    name="export",
    run=run,
    inputs={
        "selected": "artifacts/select",
        "waveforms": "artifacts/preprocess",
        "utterances": "artifacts/ingest",
        "trained": "artifacts/train",
        "features": "artifacts/features",
    },
    outputs={"exported": "artifacts/export"},
    sections=(
        "corpus",
        "budgets.{corpus}",
        "export",
        "needs",
        "features",
        "preprocess",
        "train",
    ),
    dvc_inputs=("artifacts/select", TABLE.as_posix(), "artifacts/train"),
    wanted="artifacts/wanted/inputs",
)
