"""One study for each outer fold. Exactly N trials are settled, even if workers are killed.

A trial has a number, 0 to N - 1, and one or more attempts; what Optuna calls a trial is an attempt. A trial is settled
when an attempt completes or is pruned, when the workers of two attempts were killed, or when its hyper-parameters
cannot be trained.
"""

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial, TrialState

from speech_emotion.errors import UserError
from speech_emotion.params import Tune
from speech_emotion.search import objective
from speech_emotion.search.inner import Split
from speech_emotion.search.objective import by_epoch
from speech_emotion.search.sampling import sampled
from speech_emotion.search.storage import Guard
from speech_emotion.store.hashing import hash_json
from speech_emotion.systems.base import SystemConfig
from speech_emotion.systems.catalogue import system_class
from speech_emotion.training.job import Job
from speech_emotion.training.units import rounded

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
NOT_OF_THE_KEY = ("enabled", "trials", "storage")  # a larger number of trials continues the same study
# Raise it when inner splits, objective, sampling or pruning change: older studies and trials are no longer used.
SEARCH_VERSION = 1
# Attributes of an attempt
NUMBER, WORKER, CAUSE, REASON = "number", "worker", "cause", "reason"
# Causes of a failure; an attempt that failed without one was killed
UNTRAINABLE, INTERRUPTED = "untrainable", "interrupted"
KILLED_TWICE = "its worker was killed twice"


@dataclass(frozen=True)
class SearchJob:
    """The search on one outer fold, which has one study. Picklable.

    Attributes:
        job: the fold run whose hyper-parameters are searched.
        splits: inner splits on which trials are judged.
        params: section `tune` of params.yaml.
        url: address of the storage.
        papers: folder papers/ with published trials; None to run all trials.
    """

    job: Job
    splits: tuple[Split, ...]
    params: Tune
    url: str
    papers: Path | None = None

    @property
    def config(self) -> SystemConfig:
        return self.job.experiment.config

    @property
    def system(self) -> str:
        return self.config.id

    @property
    def fold(self) -> str:
        return self.job.fold.name

    @property
    def prefix(self) -> str:
        """The beginning of the names of all this fold's studies, which does not depend on data, params or versions."""
        return f"{self.job.experiment.corpus}/{self.job.experiment.protocol}/{self.system}/{self.fold}/"

    @property
    def name(self) -> str:
        """Name of the study. It ends in a key of everything that decides the trials, so a change starts a new study."""
        key = hash_json(
            {
                "unit": self.job.key,
                "splits": [[split.train, split.valid] for split in self.splits],
                "params": self.params.model_dump(exclude=set(NOT_OF_THE_KEY)),
                "space": search_space_identity(self.config),
                "search": SEARCH_VERSION,
            }
        )
        return f"{self.prefix}{key[:12]}"


def search_space_identity(config: SystemConfig) -> dict[str, Any]:
    """Hyper-parameter -> its range or choices, in a trial with random values."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    system_class(config).search_space(trial)
    return {name: json.loads(distribution_to_json(one)) for name, one in sorted(trial.distributions.items())}


@dataclass
class Slots:
    """The attempts of a study by trial number."""

    attempts: dict[int, list[FrozenTrial]] = field(default_factory=dict)

    @classmethod
    def of(cls, study: optuna.Study) -> "Slots":
        slots = cls()
        for attempt in study.get_trials(deepcopy=False):
            slots.attempts.setdefault(attempt.user_attrs[NUMBER], []).append(attempt)
        return slots

    def finished(self, number: int) -> FrozenTrial | None:
        """The attempt that completed or was pruned."""
        return next((one for one in self.attempts.get(number, ()) if one.state in FINISHED), None)

    def given_up(self, number: int) -> str:
        """The reason if the trial is given up, though no attempt finished; otherwise empty."""
        failed = [one for one in self.attempts.get(number, ()) if one.state == TrialState.FAIL]
        for one in failed:
            if one.user_attrs.get(CAUSE) == UNTRAINABLE:
                return one.user_attrs[REASON]
        return KILLED_TWICE if sum(CAUSE not in one.user_attrs for one in failed) > 1 else ""

    def settled(self, number: int) -> bool:
        return self.finished(number) is not None or bool(self.given_up(number))

    def settled_below(self, end: int) -> int:
        """Number of settled trials among trials 0 to end - 1."""
        return sum(self.settled(number) for number in range(end))

    def running(self, number: int) -> bool:
        return any(one.state == TrialState.RUNNING for one in self.attempts.get(number, ()))

    def waiting(self) -> FrozenTrial | None:
        """An attempt that was added to the study but never started, because its worker was killed."""
        every = (one for attempts in self.attempts.values() for one in attempts)
        return next((one for one in every if one.state == TrialState.WAITING), None)

    def history(self, before: int) -> list[FrozenTrial]:
        """Finished attempts of trials 0 to before - 1, in order."""
        return [one for number in range(before) if (one := self.finished(number)) is not None]


@dataclass(frozen=True)
class Claimed:
    """A trial that this worker has taken.

    Attributes:
        number: number of the trial.
        kept: the attempt in the storage.
        drawn: the trial with the drawn hyper-parameters, which also decides about pruning (sampling.py).
    """

    number: int
    kept: optuna.Trial
    drawn: optuna.Trial


def claim(job: SearchJob, study: optuna.Study, worker: int, guard: Guard) -> Claimed | None:
    """Takes the trial with the lowest number that may start; None if there is none. Call it only inside guard.turn().

    A trial may start when all trials of earlier batches are settled. First, attempts of dead workers are marked as
    failed.

    Args:
        job: the search.
        study: its study.
        worker: number of this worker.
        guard: locks of the storage.
    """
    _mark_dead(study, guard)
    slots = Slots.of(study)
    number = next_number(slots, job.params)
    if number is None:
        return None
    start = number - number % job.params.batch
    drawn = sampled(
        job.config, job.fold, number, job.job.hyperparameters, slots.history(start), job.params
    )  # depends only on the key and the history, so a second attempt draws the same values
    if slots.waiting() is None:
        study.enqueue_trial(drawn.params, user_attrs={NUMBER: number})
    kept = study.ask()
    kept.set_user_attr(WORKER, worker)
    return Claimed(number, kept, drawn)


def next_number(slots: Slots, params: Tune) -> int | None:
    """The lowest trial number that may start; None if all of these trials are settled or running."""
    if (waiting := slots.waiting()) is not None:
        return waiting.user_attrs[NUMBER]
    for start in range(0, params.trials, params.batch):
        open_numbers = [
            number for number in range(start, min(start + params.batch, params.trials)) if not slots.settled(number)
        ]
        if open_numbers:
            return next((number for number in open_numbers if not slots.running(number)), None)
    return None


def _mark_dead(study: optuna.Study, guard: Guard) -> None:
    for attempt in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        worker = attempt.user_attrs.get(WORKER)
        if worker is None or not guard.is_alive(worker):
            study.tell(attempt.number, state=TrialState.FAIL, skip_if_finished=True)


def run(
    job: SearchJob, study: optuna.Study, claimed: Claimed, judge: Callable[..., float] = objective.objective
) -> None:
    """Runs a claimed trial and reports its result to the study.

    If the process is interrupted or the code raises an unexpected error, the trial will be tried again, and this does
    not count as a kill. The result is dropped if another worker has already marked this attempt as failed.

    Args:
        job: the search.
        study: its study.
        claimed: the trial.
        judge: (job, splits, hyper-parameters, report) -> UA, like objective().
    """
    kept, drawn = claimed.kept, claimed.drawn

    def report(step: int, ua: float) -> None:
        kept.report(ua, step)
        drawn.report(ua, step)
        if drawn.should_prune():
            raise optuna.TrialPruned

    attributes: dict[str, str] = {}
    outcome: dict[str, Any] = {"state": TrialState.FAIL}
    try:
        system_class(job.config).search_space(kept)  # records the drawn values
        outcome = {"values": judge(job.job, job.splits, drawn.params, report)}
    except optuna.TrialPruned:
        outcome = {"state": TrialState.PRUNED}
    except optuna.exceptions.UpdateFinishedTrialError:
        return
    except UserError as error:
        attributes = {CAUSE: UNTRAINABLE, REASON: str(error)}
    except BaseException:
        attributes = {CAUSE: INTERRUPTED}
        raise
    finally:
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
            for name, value in attributes.items():
                kept.set_user_attr(name, value)
            study.tell(kept, **outcome, skip_if_finished=True)


@dataclass(frozen=True)
class Found:
    """The results of a study.

    Attributes:
        fold: name of the outer fold.
        best: hyper-parameters of the complete trial with the highest UA, the first one if several are equal.
        best_ua: its UA on inner speakers, 0 to 1.
        trials: one row for each trial: fold, trial, state (complete, pruned or failed), ua, hyper-parameters.
        steps: one row for each reported step: fold, trial, step, ua.
        finished: the finished trials themselves, to compute importances.
        notes: messages for the user.
    """

    fold: str
    best: Mapping[str, Any]
    best_ua: float
    trials: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    finished: list[FrozenTrial]
    notes: list[str]


def found(job: SearchJob, study: optuna.Study) -> Found:
    """The results of a study whose trials are all settled.

    Args:
        job: the search.
        study: its study.

    Raises:
        UserError: no trial completed.
    """
    slots = Slots.of(study)
    rows, steps, notes = [], [], []
    for number in range(job.params.trials):
        attempt = slots.finished(number) or slots.attempts[number][-1]
        row = {"fold": job.fold, "trial": number}
        values = sorted(attempt.intermediate_values.items())
        if slots.finished(number) is None:
            notes.append(f"{job.system} fold {job.fold}: trial {number} is given up: {slots.given_up(number)}")
            rows.append({**row, "state": "failed", "ua": None, **attempt.params})
            continue
        dead = sum(one.state == TrialState.FAIL and CAUSE not in one.user_attrs for one in slots.attempts[number])
        if dead:
            notes.append(f"{job.system} fold {job.fold}: trial {number} was tried again: its worker was killed")
        rows.append({**row, "state": attempt.state.name.lower(), "ua": _ua(job, attempt), **attempt.params})
        steps += [{**row, "step": step, "ua": rounded(ua)} for step, ua in values]
    finished = slots.history(job.params.trials)
    complete = [one for one in finished if one.state == TrialState.COMPLETE]
    if not complete:
        raise UserError("\n".join([f"{job.system} fold {job.fold}: no trial completed: fix its search space", *notes]))
    best = max(complete, key=lambda one: (one.value, -one.user_attrs[NUMBER]))
    return Found(job.fold, dict(best.params), float(best.value), rows, steps, finished, notes)


def _ua(job: SearchJob, attempt: FrozenTrial) -> float | None:
    """The value of a complete trial; for a pruned trial the UA of its steps until then."""
    steps: Sequence[float] = [ua for _, ua in sorted(attempt.intermediate_values.items())]
    if attempt.state == TrialState.COMPLETE:
        return rounded(attempt.value)
    if not steps:
        return None
    return rounded(steps[-1] if by_epoch(job.config) else sum(steps) / len(steps))
