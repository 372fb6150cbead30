"""Quantisation-aware fine-tuning if calibration loses too much: of each fold's model, to measure the gain, and of the
shipped model.

The folds' inner validation speakers decide whether it is needed and whether its result is kept; the figures of the test
speakers are only reported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from speech_emotion.evaluation.metrics import scores
from speech_emotion.export.check import utterance_probabilities
from speech_emotion.export.files import INT8, INT8_CPU
from speech_emotion.export.fine_tune import FoldModel, epochs_for_shipping, tuned_on_all, tuned_on_fold, with_network
from speech_emotion.export.forms import exported_models
from speech_emotion.export.graph import serialise
from speech_emotion.export.quantisation_aware import observed, plain, quantisation_aware
from speech_emotion.export.windows import speech_windows, waveform_windows
from speech_emotion.parallel import ordered_map
from speech_emotion.params import Export, QuantisationAware
from speech_emotion.recorder import Recorder
from speech_emotion.store.arrays import ArrayStore
from speech_emotion.systems.catalogue import load_system
from speech_emotion.systems.network import NetworkSystem
from speech_emotion.training.fitting import Experiment, predict

PURPOSE = "qat"  # part of the seed of fine-tuning
FORMS = {INT8: "int8", INT8_CPU: "int8-cpu"}  # file -> name of the form
QAT = "qat-"  # prefix of the names of fine-tuned forms
PARTS = ("inner", "test")  # speakers of a fold: inner ones decide, test ones are only reported
NOT_NEEDED, KEPT, NO_BETTER = "not needed", "kept", "no better"
Said = Mapping[str, Mapping[str, np.ndarray]]  # part of the fold -> form -> probabilities (N, classes)


@dataclass(frozen=True)
class QatJob:
    """One fold's model, whose INT8 forms are evaluated on the fold's inner and test speakers.

    Attributes:
        model: of the fold.
        waveforms: folder of the store of prepared waveforms.
        least_samples: shorter waveforms are repeated to this length.
        export: params of the export.
        tune: whether to fine-tune it first.
    """

    model: FoldModel
    waveforms: Path
    least_samples: int
    export: Export
    tune: bool = False


def aware_on_fold(
    system: NetworkSystem, model: FoldModel, stores: Mapping[str, ArrayStore], qat: QuantisationAware
) -> tuple[NetworkSystem, int]:
    """Fine-tunes a fold's system with rounding, on the fold's training speakers.

    Args:
        system: the fold's trained model, or its pruned form.
        model: of the fold.
        stores: feature -> store of its arrays.
        qat: epochs at most, and learning rate.

    Returns:
        the system without rounding, and the number of epochs.
    """
    aware = _aware(system, model.experiment, stores, model.fold.train)
    tuned, epochs = tuned_on_fold(aware, model.experiment, stores, model.fold, qat, PURPOSE, model.seed)
    return with_network(system, plain(tuned.network, system.network)), epochs


def aware_on_all(
    system: NetworkSystem, experiment: Experiment, qat: QuantisationAware, epochs: int, seed: int
) -> NetworkSystem:
    """Fine-tunes the shipped system with rounding, on all speakers.

    Args:
        system: the shipped one.
        experiment: in which it was trained.
        qat: its learning rate is used.
        epochs: number of epochs.
        seed: of the training.

    Returns:
        the system without rounding.
    """
    stores = experiment.stores()
    aware = _aware(system, experiment, stores, sorted(experiment.targets))
    tuned = tuned_on_all(aware, experiment, stores, qat, PURPOSE, epochs, seed)
    return with_network(system, plain(tuned.network, system.network))


def qat_fold(job: QatJob) -> tuple[Said, int]:
    """Probabilities of a fold's forms, and the epochs of fine-tuning, 0 without it.

    Without fine-tuning, they include `fp32`: the trained model, with which the exported file agrees.
    """
    model, stores, waveforms = job.model, job.model.experiment.stores(), ArrayStore(job.waveforms)
    trained = system = load_system(model.path)
    epochs, prefix = 0, ""
    if job.tune:
        (system, epochs), prefix = aware_on_fold(trained, model, stores, job.export.qat), QAT
    count, least = job.export.calibration_windows, job.least_samples
    calibration = speech_windows(system, waveforms, model.fold.train, count, least)
    graphs = exported_models(system, job.export.opset, calibration)
    said = {}
    for part, ids in zip(PARTS, (model.fold.valid, model.fold.test), strict=True):
        windows = [waveform_windows(system, waveforms[id], least) for id in ids]
        said[part] = {
            prefix + form: utterance_probabilities(serialise(graphs[file].model), windows)
            for file, form in FORMS.items()
        }
        if not job.tune:
            said[part]["fp32"] = predict(trained, model.experiment, stores, ids)
    return said, epochs


def qat_for_shipping(
    system: NetworkSystem, jobs: Sequence[QatJob], workers: int, recorder: Recorder
) -> tuple[NetworkSystem | None, dict[str, Any]]:
    """Fine-tunes the shipped system for its INT8 forms, if that helps the folds' models.

    Without fine-tuning, the INT8 forms are good enough if none of them loses more than `when_loss` points of UA against
    FP32 on the folds' inner speakers. Fine-tuned forms are kept if the worse of the two is better than before.

    Args:
        system: the shipped one.
        jobs: the folds' models, of one seed.
        workers: processes.
        recorder: of progress and notes.

    Returns:
        the fine-tuned system, or None if it is not fine-tuned; and facts: done, when_loss, loss (points), epochs,
        folds, seed; and ua and wa in percent of each form on the folds' inner and test speakers.
    """
    first = jobs[0].model
    experiment, qat, seed = first.experiment, jobs[0].export.qat, first.seed
    found = [said for said, _ in ordered_map(qat_fold, jobs, workers, recorder, "INT8 of the folds' models")]
    facts = {part: _worth(experiment, jobs, found, part) for part in PARTS}
    loss = {part: round(facts[part]["fp32"]["ua"] - _worse(facts[part], ""), 2) for part in PARTS}
    facts |= {"when_loss": qat.when_loss, "loss": loss, "folds": len(jobs), "seed": seed}
    measured = f"export: INT8 by calibration loses {loss['inner']:g} points of UA on the folds' inner speakers"
    if loss["inner"] <= qat.when_loss:
        recorder.note(f"{measured}, {loss['test']:g} on their test speakers: not fine-tuned")
        return None, {"done": NOT_NEEDED, **facts}
    asked = [replace(job, tune=True) for job in jobs]
    tuned = list(ordered_map(qat_fold, asked, workers, recorder, "fine-tune the folds' models for INT8"))
    for part in PARTS:
        facts[part] |= _worth(experiment, jobs, [said for said, _ in tuned], part)
    facts["epochs"] = epochs_for_shipping([epochs for _, epochs in tuned])
    kept = _worse(facts["inner"], QAT) > _worse(facts["inner"], "")
    recorder.note(
        f"{measured}; fine-tuned for it, UA there {_worse(facts['inner'], '')} -> {_worse(facts['inner'], QAT)}: "
        f"{'kept' if kept else 'no better, not kept'} (on test speakers {_worse(facts['test'], '')} -> "
        f"{_worse(facts['test'], QAT)})"
    )
    if not kept:
        return None, {"done": NO_BETTER, **facts}
    return aware_on_all(system, experiment, qat, facts["epochs"], seed), {"done": KEPT, **facts}


def _aware(
    system: NetworkSystem, experiment: Experiment, stores: Mapping[str, ArrayStore], ids: Sequence[str]
) -> NetworkSystem:
    """The system with rounding; its ranges are those of these utterances."""
    with observed(system.network) as ranges:
        predict(system, experiment, stores, ids)
    return with_network(system, quantisation_aware(system.network, ranges))


def _worth(
    experiment: Experiment, jobs: Sequence[QatJob], found: Sequence[Said], part: str
) -> dict[str, dict[str, float]]:
    """Form -> ua and wa in percent, over the pooled utterances of this part of all folds."""
    folds = [job.model.fold for job in jobs]
    truth = experiment.classes([id for fold in folds for id in (fold.valid if part == "inner" else fold.test)])
    worth = {}
    for form in found[0][part]:
        figures = scores(truth, np.concatenate([said[part][form] for said in found]).argmax(axis=1))
        worth[form] = {"ua": round(100 * figures.ua, 2), "wa": round(100 * figures.wa, 2)}
    return worth


def _worse(worth: Mapping[str, Mapping[str, float]], prefix: str) -> float:
    """The lower UA of the two INT8 forms."""
    return min(worth[prefix + form]["ua"] for form in FORMS.values())
