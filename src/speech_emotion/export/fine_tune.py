"""A trained network that was changed for the device is trained further: the folds' models with early stopping on inner
speakers, the shipped one for as many epochs as they needed."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch.optim import Optimizer

from speech_emotion.corpora.splits import Fold
from speech_emotion.evaluation.metrics import scores
from speech_emotion.export.prune import pruned
from speech_emotion.parallel import ordered_map
from speech_emotion.params import Prune
from speech_emotion.recorder import Recorder
from speech_emotion.store.arrays import ArrayStore
from speech_emotion.systems.catalogue import load_system
from speech_emotion.systems.network import Network, NetworkSystem
from speech_emotion.training.fitting import Experiment, fit_system, predict, refit, training_seed

PURPOSE = "prune"  # names the draws of fine-tuning, beside those of training


@dataclass(frozen=True)
class FoldJob:
    """One fold's model, to be pruned, fine-tuned and asked about the fold's test speakers.

    Attributes:
        model: folder of the trained model.
        experiment: that it was trained in.
        seed: of its training.
    """

    model: Path
    experiment: Experiment
    fold: Fold
    seed: int
    prune: Prune


@dataclass(frozen=True)
class FoldFound:
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
    return _with_network(system, pruned(system.network, share))


def tuned_on_fold(
    system: NetworkSystem, experiment: Experiment, stores: Mapping[str, ArrayStore], fold: Fold, prune: Prune, seed: int
) -> tuple[NetworkSystem, int]:
    """A pruned system, fine-tuned on the fold's training speakers with early stopping on its inner ones; its epochs."""
    going_on = _going_on(system, prune.learning_rate)
    experiment = replace(experiment, max_epochs=min(prune.epochs, experiment.max_epochs))
    seed = training_seed(seed, experiment.protocol, experiment.system, fold.name, PURPOSE)
    fit = fit_system(going_on, experiment, stores, fold.train, fold.valid, seed)
    return _with_network(system, going_on.network), fit.best_epoch


def tuned_on_all(
    system: NetworkSystem,
    experiment: Experiment,
    stores: Mapping[str, ArrayStore],
    prune: Prune,
    epochs: int,
    seed: int,
) -> NetworkSystem:
    """A pruned system, fine-tuned on all speakers for shipping."""
    going_on = _going_on(system, prune.learning_rate)
    seed = training_seed(seed, experiment.protocol, experiment.system, "refit", PURPOSE)
    refit(going_on, experiment, stores, seed, epochs, temperature=1.0)
    return _with_network(system, going_on.network)


def prune_fold(job: FoldJob) -> FoldFound:
    """Prunes and fine-tunes one fold's model."""
    stores = job.experiment.stores()
    whole = load_system(job.model)
    cut = smaller(whole, job.prune.share)

    def said(system: NetworkSystem) -> np.ndarray:
        return predict(system, job.experiment, stores, job.fold.test)

    before = said(whole), said(cut)
    tuned, epochs = tuned_on_fold(cut, job.experiment, stores, job.fold, job.prune, job.seed)
    return FoldFound(*before, said(tuned), epochs)


def prune_for_shipping(
    system: NetworkSystem, jobs: Sequence[FoldJob], workers: int, recorder: Recorder
) -> tuple[NetworkSystem, dict[str, Any]]:
    """The shipped system pruned, and fine-tuned for the median of the epochs that the folds' models needed.

    Args:
        jobs: the folds' models, of one seed.

    Returns:
        the system, and facts: share, epochs, parameters, folds, seed; and ua and wa in percent over the test speakers
        of the folds' models, `whole`, `cut` and `tuned`.
    """
    experiment, prune, seed = jobs[0].experiment, jobs[0].prune, jobs[0].seed
    cut = smaller(system, prune.share)  # what cannot be pruned is refused before the folds' work
    found = list(ordered_map(prune_fold, jobs, workers, recorder, "prune the folds' models"))
    epochs = max(1, int(np.median([one.epochs for one in found])))
    tuned = tuned_on_all(cut, experiment, experiment.stores(), prune, epochs, seed)
    truth = experiment.classes([id for job in jobs for id in job.fold.test])
    facts: dict[str, Any] = {"share": prune.share, "epochs": epochs, "parameters": tuned.parameter_count()}
    facts |= {"folds": len(jobs), "seed": seed}
    for name in ("whole", "cut", "tuned"):
        figures = scores(truth, np.concatenate([getattr(one, name) for one in found]).argmax(axis=1))
        facts[name] = {"ua": round(100 * figures.ua, 2), "wa": round(100 * figures.wa, 2)}
    recorder.note(
        f"export: {100 * prune.share:g} % of the filters removed, {epochs} epochs of fine-tuning: UA of the folds' "
        f"models {facts['whole']['ua']} -> {facts['tuned']['ua']} ({facts['cut']['ua']} before fine-tuning)"
    )
    return tuned, facts


def _with_network(system: NetworkSystem, network: Network) -> NetworkSystem:
    other = copy.copy(system)
    other.network = network.eval()
    return other


def _going_on(system: NetworkSystem, factor: float) -> NetworkSystem:
    """The system as the training loop wants it, which asks it for a fresh network: it gives a copy of its own.

    Args:
        factor: of the system's learning rate.
    """
    network, other = copy.deepcopy(system.network), copy.copy(system)

    def slower() -> Optimizer:
        optimiser = type(other).optimiser(other)
        for group in optimiser.param_groups:
            group["lr"] *= factor
        return optimiser

    other.build, other.optimiser = lambda: network, slower
    return other
