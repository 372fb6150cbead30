"""Pruned systems, fine-tuned: of each fold, to know what pruning costs, and the one that ships."""

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

PURPOSE = "prune"  # names the draws of fine-tuning


@dataclass(frozen=True)
class PruneJob:
    """One fold's model, to be pruned, fine-tuned and asked about the fold's test speakers."""

    model: FoldModel
    prune: Prune


@dataclass(frozen=True)
class PruneFound:
    """What a fold's model says of its test utterances, (N, classes) each, in the fold's order.

    Attributes:
        whole: as it was trained.
        cut: with filters removed, not yet fine-tuned.
        tuned: fine-tuned.
        epochs: of fine-tuning, until its best.
    """

    whole: np.ndarray
    cut: np.ndarray
    tuned: np.ndarray
    epochs: int


def smaller(system: NetworkSystem, share: float) -> NetworkSystem:
    """The system with a pruned network, which is not fine-tuned; see `pruned`."""
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
    """The shipped system pruned, and fine-tuned for the median of the epochs that the folds' models needed.

    Args:
        models: the folds' models, of one seed.

    Returns:
        the system, and facts: share, epochs, parameters, folds, seed; and ua and wa in percent over the test speakers
        of the folds' models, `whole`, `cut` and `tuned`.
    """
    experiment, seed = models[0].experiment, models[0].seed
    cut = smaller(system, prune.share)  # what cannot be pruned is refused before the folds' work
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
