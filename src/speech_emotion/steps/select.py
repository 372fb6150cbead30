"""Step select: the best system and the best deployable one, which is fitted again on all speakers."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from speech_emotion.errors import UserError
from speech_emotion.evaluation.calibration import best_temperature, cross_fitted
from speech_emotion.evaluation.metrics import Metric, calibration_error, metric_of
from speech_emotion.recorder import Recorder
from speech_emotion.search.agreement import central
from speech_emotion.steps.step import Folders, Step, StepParams
from speech_emotion.steps.train import experiment_of
from speech_emotion.steps.wanted import TABLE
from speech_emotion.store.atomic import write_text
from speech_emotion.systems.base import SystemConfig
from speech_emotion.systems.catalogue import save_system
from speech_emotion.training.fitting import refit, training_seed


def run_step(inputs: Folders, params: StepParams, outputs: Folders, recorder: Recorder) -> None:
    metrics = json.loads((inputs["evaluation"] / "metrics.json").read_text())
    records = {
        system: json.loads((inputs["trained"] / system / "units.json").read_text()) for system in params.candidates
    }
    metric = metric_of(params.select.metric, "params.yaml: select.metric")
    ranking = rank(metrics, list(records), metric)
    deployable = [system for system in ranking if not records[system]["not_deployable"]]
    chosen: dict[str, Any] = {
        "metric": metric.key,
        "best": ranking[0],
        "best_deployable": deployable[0] if deployable else None,
        "ranking": {system: metrics[system][metric.key] for system in ranking},
        "not_deployable": {system: reason for system in ranking if (reason := records[system]["not_deployable"])},
    }
    recorder.note(f"best: {chosen['best']}; best deployable: {chosen['best_deployable']}")
    (outputs["selected"] / "model").mkdir()
    if deployable:
        record = records[deployable[0]]
        refitted = _refit(inputs, params, record, outputs["selected"] / "model", recorder)
        chosen |= {
            "figures": metrics[deployable[0]],
            "corpus": record["corpus"],
            "protocol": record["protocol"],
            "speaker_independent": record["speaker_independent"],
            "refit": refitted,
            **calibration(inputs["trained"] / deployable[0], record["labels"], params.evaluate.calibration_bins),
        }
    write_text(outputs["selected"] / "best.json", json.dumps(chosen, indent=1, sort_keys=True) + "\n")


def rank(metrics: Mapping[str, Mapping[str, float]], systems: list[str], metric: Metric) -> list[str]:
    """Returns the systems from best to worst; ties keep their order.

    Args:
        metrics: system -> metric -> value, from metrics.json.
        systems: the candidates.
        metric: the metric to rank by.

    Raises:
        UserError: a system has no metrics.
    """
    if absent := [system for system in systems if system not in metrics]:
        raise UserError(f"metrics.json: has no figures of {absent[0]}: run the evaluate step again")
    sign = -1 if metric.higher_is_better else 1
    return sorted(systems, key=lambda system: sign * metrics[system][metric.key])


def calibration(trained: Path, labels: Sequence[str], bins: int) -> dict[str, Any]:
    """Fits the temperature of the deployed model to the folds' predictions for their test speakers.

    The temperature is 1 if cross-fitting (each speaker with the temperature fitted to the others) does not lower the
    expected calibration error.

    Args:
        trained: the system's folder of predictions.
        labels: the classes, in the order of the outputs.
        bins: number of bins of the calibration error.

    Returns:
        temperature, and calibration: ece_before and ece_after of these predictions, the latter cross-fitted.
    """
    table = pd.read_parquet(trained / "predictions.parquet")
    probabilities = table[[f"p_{label}" for label in labels]].to_numpy()
    targets = np.array([labels.index(emotion) for emotion in table["emotion"]])
    fitted = cross_fitted(probabilities, targets, table["speaker"].to_numpy())
    right = probabilities.argmax(axis=1) == targets
    before, after = (calibration_error(p.max(axis=1), right, bins) for p in (probabilities, fitted))
    temperature = round(best_temperature(probabilities, targets), 4) if after < before else 1.0
    return {
        "temperature": temperature,
        "calibration": {"ece_before": round(before, 4), "ece_after": round(before if temperature == 1 else after, 4)},
    }


def _refit(
    inputs: Folders, params: StepParams, record: Mapping[str, Any], folder: Path, recorder: Recorder
) -> dict[str, Any]:
    """Fits the system on all speakers, with the median of the folds' best epochs.

    Returns:
        epochs; device; hyperparameters; agreeing and folds: numbers of folds with these hyper-parameters and of all.
    """
    system_params = params.of_system(record["system"])
    named = (record[name] for name in ("system", "architecture", "title", "paper"))
    config = SystemConfig(*named, builds_on=tuple(record["builds_on"]))
    experiment, _, _ = experiment_of(system_params, inputs["utterances"], inputs["features"], config)
    units = list(record["units"].values())
    tried = [unit["hyperparameters"] for unit in units]
    hyperparameters = tried[central(tried)]
    stores = experiment.stores()
    system = experiment.create(hyperparameters, stores)
    recorder.note(f"fitting {record['system']} again on all {len(experiment.targets)} utterances")
    seed = training_seed(min(params.budget.seeds), experiment.protocol, record["system"], "refit")
    epochs = int(np.median([unit["best_epoch"] for unit in units]))
    temperature = float(np.median([unit["temperature"] for unit in units]))
    members = {member: _held_out_predictions(inputs["trained"], member, record) for member in config.builds_on}
    fit = refit(system, experiment, stores, seed, epochs, temperature, members)
    save_system(system, folder)
    return {
        "epochs": fit.best_epoch,
        "device": fit.device,
        "hyperparameters": hyperparameters,
        "agreeing": tried.count(hyperparameters) // len(record["seeds"]),
        "folds": record["folds"],
    }


def _held_out_predictions(trained: Path, member: str, record: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Id -> probabilities from the system's fold run in which its speaker was tested; the mean over seeds.

    Raises:
        UserError: the system was not trained.
    """
    path = trained / member / "predictions.parquet"
    if not path.is_file():
        raise UserError(
            f"the final fit of {record['system']} needs the predictions of {member}: {path}: does not exist: add "
            f"{member} to candidates"
        )
    table = pd.read_parquet(path)
    means = table.groupby("id")[[f"p_{label}" for label in record["labels"]]].mean()
    return dict(zip(means.index, means.to_numpy(), strict=True))


STEP = Step(
    name="select",
    run=run_step,
    inputs={
        "utterances": "artifacts/ingest",
        "features": "artifacts/features",
        "trained": "artifacts/train",
        "evaluation": "artifacts/evaluate",
    },
    outputs={"selected": "artifacts/select"},
    sections=(
        "corpus",
        "budgets.{corpus}",
        "needs",
        "features",
        "preprocess",
        "train",
        "select",
        "evaluate.calibration_bins",
        "candidates",
    ),
    dvc_inputs=(TABLE.as_posix(), "artifacts/train", "artifacts/evaluate"),
    wanted="artifacts/wanted/inputs",
)
