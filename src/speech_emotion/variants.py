"""`speech-emotion variants`: accuracy and cost of each form of a model, over the models of all folds.

The shipped model was trained on all speakers, so none is left to test it on. Instead, each fold's model is exported,
calibrated on its own training speakers, and tested on its test speakers.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from speech_emotion.corpora.protocols import load_protocol, select_utterances
from speech_emotion.corpora.splits import Fold, make_folds
from speech_emotion.corpora.table import read_utterances
from speech_emotion.errors import UserError
from speech_emotion.evaluation.metrics import scores
from speech_emotion.evaluation.results import read_result
from speech_emotion.export import footprint
from speech_emotion.export.check import utterance_probabilities
from speech_emotion.export.files import FP32
from speech_emotion.export.fine_tune import FoldModel, tuned_on_fold
from speech_emotion.export.forms import exported_models
from speech_emotion.export.graph import Graph, serialise
from speech_emotion.export.prune_fitting import PURPOSE, smaller
from speech_emotion.export.quantisation_aware_fitting import QAT, aware_on_fold
from speech_emotion.export.quantise_cpu import weight_bytes
from speech_emotion.export.windows import speech_windows, waveform_windows
from speech_emotion.parallel import ordered_map
from speech_emotion.params import Export, Params, Prune, check, load_params
from speech_emotion.recorder import Recorder
from speech_emotion.reporting.figures import COLOURS, DPI, STYLE
from speech_emotion.reporting.rendering import table
from speech_emotion.steps import train
from speech_emotion.steps.step import StepParams
from speech_emotion.store.arrays import ArrayStore
from speech_emotion.store.atomic import atomic_file, write_text
from speech_emotion.store.hashing import hash_code, hash_json, sha256_file
from speech_emotion.store.naming import file_name
from speech_emotion.systems.catalogue import load_system
from speech_emotion.systems.network import NetworkSystem
from speech_emotion.training.fitting import Experiment

TRAINED = "trained model (PyTorch)"
REFERENCE = FP32.removesuffix(".onnx")  # the form that others are compared with
TIMED = 100  # windows that are timed for each fold's model
WINDOWS_HELD = 10  # of these, in the process whose memory is measured


@dataclass(frozen=True)
class Job:
    """One fold's model to measure.

    Attributes:
        fold: its speakers.
        seed: of its training.
        key: of the finished measurement: hash of model, params and code.
        model: folder of the saved model.
        waveforms: folder of the store of prepared waveforms.
        least_samples: shorter waveforms are repeated to this length.
        export: params of the export.
        shares: of filters to remove, one for each pruned form.
        qat: also measure forms fine-tuned for INT8.
        experiment: in which it was trained; None if nothing is fine-tuned.
        record: JSON file of the measurement.
    """

    fold: Fold
    seed: int
    key: str
    model: Path
    waveforms: Path
    least_samples: int
    export: Export
    shares: tuple[float, ...]
    qat: bool
    experiment: Experiment | None
    record: Path

    @property
    def name(self) -> str:
        return f"{self.fold.name}-{self.seed}"


def variants(
    system: str,
    artifacts: Path = Path("artifacts"),
    output: Path | None = None,
    shares: Sequence[float] = (),
    qat: bool = False,
) -> str:
    """Exports, quantises and tests each fold's model; writes variants.csv, .json, .md and .png.

    Each finished fold is kept in `output`/folds, and found again by a hash of model, params and code.

    Args:
        system: a key of params.yaml's systems.
        artifacts: folder of the steps' outputs: ingest, preprocess and train.
        output: folder; None is artifacts/variants/<system>.
        shares: of filters to remove, one for each pruned form; empty takes export.prune.share.
        qat: also measure forms fine-tuned for INT8; False takes export.qat.enabled.

    Returns:
        The table as Markdown.

    Raises:
        UserError: the system cannot go to the device, has no results or cannot be pruned, or the folds' models were not
            kept.
    """
    recorder, params = Recorder(), load_params()
    shares = tuple(check(Prune, {**params.export.prune.model_dump(), "share": one}, "--prune").share for one in shares)
    shares = tuple(dict.fromkeys(one for one in shares or (params.export.prune.share,) if one))
    qat = qat or params.export.qat.enabled
    if system not in params.systems:
        raise UserError(f"system = {system}: must be one of {', '.join(sorted(params.systems))}")
    result = read_result(artifacts / "train" / system, system)
    if reason := result.units.not_deployable:
        raise UserError(f"system = {system}: cannot go to the device ({reason}): name another")
    output = output or artifacts / "variants" / system
    protocol = load_protocol(result.units.protocol)
    rows, _ = select_utterances(read_utterances(artifacts / "ingest" / "utterances.parquet"), protocol)
    folds = {fold.name: fold for fold in make_folds(rows, protocol)}
    code = hash_code(sorted(Path(footprint.__file__).parent.glob("*.py")))
    experiment = _experiment(params, system, result.units.corpus, artifacts) if shares or qat else None
    least = round(params.needs[system].min_seconds * params.preprocess.sample_rate)
    jobs = []
    for (fold, seed), tested in result.predictions.groupby(["fold", "seed"]):
        model = artifacts / "train" / system / "models" / file_name(f"{fold}-{seed}")
        if not model.is_dir():
            raise UserError(
                f"{model}: is not there: set train.keep_models: true and "
                "train.published_units: false (dvc repro), since published units have no model"
            )
        if fold not in folds or sorted(folds[fold].test) != sorted(tested["id"]):
            raise UserError(f"fold {fold}: was trained on another table of utterances: run dvc repro")
        files = {path.name: sha256_file(path) for path in sorted(model.iterdir())}
        jobs.append(
            Job(
                fold=folds[fold],
                seed=int(seed),
                key=hash_json([files, code, least, params.export.model_dump(), shares, qat, params.train.patience]),
                model=model,
                waveforms=artifacts / "preprocess" / params.needs[system].recipe,
                least_samples=least,
                export=params.export,
                shares=shares,
                qat=qat,
                experiment=experiment,
                record=output / "folds" / f"{file_name(f'{fold}-{seed}')}.json",
            )
        )
    missing = [job for job in jobs if _found(job) is None]
    recorder.note(f"{system}: {len(jobs)} folds' models, {len(jobs) - len(missing)} finished before")
    for job in ordered_map(_measure, missing, 1, recorder, f"variants of {system}"):  # one process, for timing
        recorder.note(f"fold {job.name}: done")
    records = {job.name: _found(job) for job in jobs}
    figures = _figures(result.predictions, result.labels, records)
    text = markdown(figures)
    write_text(output / "variants.json", json.dumps(figures, indent=1) + "\n")
    write_text(output / "variants.csv", _csv(figures))
    write_text(output / "variants.md", text + "\n")
    with atomic_file(output / "variants.png") as temporary:
        picture(temporary, figures, f"{result.units.title}, {result.units.corpus}, {result.units.protocol}")
    return f"{text}\n\n{output}: variants.csv, variants.json, variants.md, variants.png"


def _found(job: Job) -> dict[str, Any] | None:
    try:
        record = json.loads(job.record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record["variants"] if record.get("key") == job.key else None


def _experiment(params: Params, system: str, corpus: str, artifacts: Path) -> Experiment:
    """The experiment of the folds' training, for fine-tuning."""
    if corpus != params.corpus:
        raise UserError(f"corpus = {params.corpus}: the folds' models are of {corpus}: speech-emotion use {corpus}")
    of_system = StepParams(params, train.STEP.sections, system)
    return train.experiment_of(of_system, artifacts / "ingest", artifacts / "features")[0]


def _measure(job: Job) -> Job:
    """Exports and tests the forms of one model; writes the record."""
    system, waveforms = load_system(job.model), ArrayStore(job.waveforms)
    calibration = speech_windows(system, waveforms, job.fold.train, job.export.calibration_windows, job.least_samples)
    timed = speech_windows(system, waveforms, job.fold.test, TIMED, job.least_samples)
    windows = [waveform_windows(system, waveforms[id], job.least_samples) for id in job.fold.test]
    graphs = _forms(job, system, calibration)
    contents = {name: serialise(graph.model) for name, graph in graphs.items()}
    milliseconds = footprint.window_milliseconds(contents, timed)
    found = {}
    for name, content in contents.items():
        found[name] = {
            "bytes": len(content),
            "weights": weight_bytes(graphs[name].model, graphs[name].front_end),
            "probabilities": dict(zip(job.fold.test, utterance_probabilities(content, windows).tolist(), strict=True)),
            "milliseconds": milliseconds[name],
            "memory": footprint.process_memory(content, timed[:WINDOWS_HELD]),
        }
    write_text(job.record, json.dumps({"key": job.key, "variants": found}) + "\n")
    return job


def _forms(job: Job, system: NetworkSystem, calibration: Sequence[np.ndarray]) -> dict[str, Graph]:
    """Name -> graph: the whole network, then for each share the pruned one before and after fine-tuning; each also
    fine-tuned for INT8, if `qat`."""

    def named(some: NetworkSystem, prefix: str) -> dict[str, Graph]:
        made = exported_models(some, job.export.opset, calibration)
        return {prefix + name.removesuffix(".onnx"): graph for name, graph in made.items()}

    def with_qat(some: NetworkSystem, prefix: str) -> dict[str, Graph]:
        if not job.qat:
            return {}
        return named(aware_on_fold(some, model, stores, job.export.qat)[0], prefix + QAT)

    found = named(system, "")
    if job.experiment is None:
        return found
    model, stores = FoldModel(job.model, job.experiment, job.fold, job.seed), job.experiment.stores()
    found |= with_qat(system, "")
    for share in job.shares:
        cut, prefix = smaller(system, share), f"pruned-{100 * share:g}-"
        found[f"{prefix}{REFERENCE}-untuned"] = named(cut, "")[REFERENCE]
        tuned, _ = tuned_on_fold(cut, job.experiment, stores, job.fold, job.export.prune, PURPOSE, job.seed)
        found |= named(tuned, prefix) | with_qat(tuned, prefix)
    return found


def _figures(predictions: Any, labels: Sequence[str], records: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for each form; the first is the trained model. Units: percent, bytes, milliseconds."""
    columns = [f"p_{label}" for label in labels]
    truth = predictions["emotion"].map(list(labels).index).to_numpy()
    trained = predictions[columns].to_numpy()
    units = [f"{fold}-{seed}" for fold, seed in zip(predictions["fold"], predictions["seed"], strict=True)]
    rows = [{"variant": TRAINED, **_worth(truth, trained, predictions["seed"].to_numpy())}]
    forms = list(next(iter(records.values())))
    said = {
        form: np.array(
            [records[unit][form]["probabilities"][id] for unit, id in zip(units, predictions["id"], strict=True)]
        )
        for form in forms
    }
    for form in forms:
        of_folds = [record[form] for record in records.values()]
        times = np.concatenate([one["milliseconds"] for one in of_folds])
        shares = [100 * record[form]["weights"] / record[REFERENCE]["weights"] for record in records.values()]
        rows.append(
            {
                "variant": form,
                **_worth(truth, said[form], predictions["seed"].to_numpy()),
                "agreement": 100 * float(np.mean(said[form].argmax(1) == said[REFERENCE].argmax(1))),
                "largest_difference": float(np.abs(said[form] - said[REFERENCE]).max()),
                "bytes": float(np.mean([one["bytes"] for one in of_folds])),
                "weights": float(np.mean(shares)),
                "memory": float(np.median([one["memory"] for one in of_folds])),
                "p50": float(np.median(times)),
                "p99": float(np.percentile(times, 99)),
            }
        )
    return rows


def _worth(truth: np.ndarray, probabilities: np.ndarray, seeds: np.ndarray) -> dict[str, float]:
    """UA and WA over the pooled folds, in percent, mean over seeds."""
    found = [scores(truth[seeds == seed], probabilities[seeds == seed].argmax(1)) for seed in np.unique(seeds)]
    return {name: 100 * float(np.mean([getattr(one, name) for one in found])) for name in ("ua", "wa")}


COLUMNS = {  # key of a row -> heading and format
    "variant": ("form", "{}"),
    "ua": ("UA %", "{:.2f}"),
    "wa": ("WA %", "{:.2f}"),
    "agreement": ("agrees with FP32, %", "{:.2f}"),
    "largest_difference": ("largest difference of a probability", "{:.4f}"),
    "bytes": ("file, MB", "{:.2f}"),
    "weights": ("weights, % of FP32", "{:.1f}"),
    "memory": ("process, MB", "{:.0f}"),
    "p50": ("a window, p50, ms of a core", "{:.2f}"),
    "p99": ("p99, ms", "{:.2f}"),
}
MEGA = ("bytes", "memory")  # shown in millions


def markdown(figures: Sequence[Mapping[str, Any]]) -> str:
    """The table as Markdown.

    Args:
        figures: one row for each form, with keys of COLUMNS.
    """
    rows = []
    for row in figures:
        shown = {key: value / 1e6 if key in MEGA else value for key, value in row.items()}
        rows.append([form.format(shown[key]) if key in shown else "" for key, (_, form) in COLUMNS.items()])
    return table([heading for heading, _ in COLUMNS.values()], rows, numbers=range(1, len(COLUMNS)))


def _csv(figures: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(figures)
    return text.getvalue()


PANELS = {"ua": "UA, %", "bytes": "file, MB", "memory": "process, MB", "p50": "a window (p50), ms of a core"}


def picture(path: Path, figures: Sequence[Mapping[str, Any]], setting: str) -> None:
    """Draws accuracy and cost of each form as bars, as PNG.

    Args:
        path: of the PNG file.
        figures: one row for each form, with keys of COLUMNS.
        setting: system, corpus and protocol, for the title.
    """
    names = [row["variant"] for row in figures]
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 1.6 + 0.4 * len(names)), layout="constrained")
        figure.suptitle(f"Forms of {setting}", x=0.01, ha="left")
        for axes, (key, title) in zip(figure.subplots(1, len(PANELS), sharey=True), PANELS.items(), strict=True):
            values = [row.get(key, np.nan) / (1e6 if key in MEGA else 1) for row in figures]
            axes.barh(names, np.nan_to_num(values), color=COLOURS[: len(names)], height=0.6)
            for place, value in enumerate(values):
                if np.isfinite(value):
                    axes.text(value, place, f" {value:.1f}", va="center", fontsize=9)
            axes.set_title(title)
            axes.set_xlim(0, 1.25 * np.nanmax(values))
        axes.invert_yaxis()  # the panels share it: the first form is at the top
        figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})
