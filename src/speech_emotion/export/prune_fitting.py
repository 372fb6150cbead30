"""Prunes and fine-tunes systems: each fold's, to measure what pruning costs, and the shipped one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from speech_emotion.evaluation.metrics import scores
from speech_emotion.export.fine_tune import FoldModel, epochs_for_shipping, tuned_on_all, tuned_on_fold, with_network
from speech_emotion.export.prune import pruned
from speech_emotion.parallel import ordered_map
from speech_emotion.params import Prune
from speech_emotion.recorder import Recorder
from speech_emotion.systems.catalogue import load_system
from speech_emotion.systems.network import NetworkSystem
from speech_emotion.training.fitting import predict

PURPOSE = "prune"  # part of the seed of fine-tuning


@dataclass(frozen=True)
class PruneJob:
    """One fold's model, to be pruned, fine-tuned and evaluated on the fold's test speakers.

    Attributes:
        model: of the fold.
        prune: share and fine-tuning.
    """

    model: FoldModel
    prune: Prune


@dataclass(frozen=True)
class PruneFound:
    """Probabilities (N, classes) of a fold's test utterances, in the fold's order.

    Attributes:
        whole: by the model as trained.
        cut: by the pruned model before fine-tuning.
        tuned: by the fine-tuned model.
        epochs: of fine-tuning, up to the best one.
    """

    whole: np.ndarray
    cut: np.ndarray
    tuned: np.ndarray
    epochs: int


def smaller(system: NetworkSystem, share: float) -> NetworkSystem:
    """The system with a pruned network, not fine-tuned; arguments and errors are as for `pruned`."""
    return with_network(system, pruned(system.network, share))


def prune_fold(job: PruneJob) -> PruneFound:
    """Prunes and fine-tunes one fold's model."""
    model, experiment = job.model, job.model.experiment
    stores = experiment.stores()
    whole = load_system(model.path)
    cut = smaller(whole, job.prune.share)

    def said(system: NetworkSystem) -> np.ndarray:
        return predict(system, experiment, stores, model.fold.test)

    before = said(whole), said(cut)
    tuned, epochs = tuned_on_fold(cut, experiment, stores, model.fold, job.prune, PURPOSE, model.seed)
    return PruneFound(*before, said(tuned), epochs)


def prune_for_shipping(
    system: NetworkSystem, models: Sequence[FoldModel], prune: Prune, workers: int, recorder: Recorder
) -> tuple[NetworkSystem, dict[str, Any]]:
    """Prunes the shipped system and fine-tunes it for the median of the folds' epochs.

    Args:
        system: the shipped one.
        models: the folds' models, of one seed.
        prune: share and fine-tuning.
        workers: processes.
        recorder: of progress and notes.

    Returns:
        the system, and facts: share, epochs, parameters, folds, seed; and for `whole`, `cut` and `tuned` ua and wa in
        percent over the test speakers of all folds.
    """
    experiment, seed = models[0].experiment, models[0].seed
    cut = smaller(system, prune.share)  # a system that cannot be pruned is refused before the folds' work
    jobs = [PruneJob(model, prune) for model in models]
    found = list(ordered_map(prune_fold, jobs, workers, recorder, "prune the folds' models"))
    epochs = epochs_for_shipping([one.epochs for one in found])
    tuned = tuned_on_all(cut, experiment, experiment.stores(), prune, PURPOSE, epochs, seed)
    truth = experiment.classes([id for model in models for id in model.fold.test])
    facts: dict[str, Any] = {"share": prune.share, "epochs": epochs, "parameters": tuned.parameter_count()}
    facts |= {"folds": len(models), "seed": seed}
    for name in ("whole", "cut", "tuned"):
        figures = scores(truth, np.concatenate([getattr(one, name) for one in found]).argmax(axis=1))
        facts[name] = {"ua": round(100 * figures.ua, 2), "wa": round(100 * figures.wa, 2)}
    recorder.note(
        f"export: {100 * prune.share:g} % of the filters removed, {epochs} epochs of fine-tuning: UA of the folds' "
        f"models {facts['whole']['ua']} -> {facts['tuned']['ua']} ({facts['cut']['ua']} before fine-tuning)"
    )
    return tuned, facts
