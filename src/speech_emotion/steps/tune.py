"""Step tune: hyper-parameters of one system for each outer fold; off by default, with empty results."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from speech_emotion.errors import UserError
from speech_emotion.recorder import Recorder
from speech_emotion.search.figures import history_plot, importance_plot
from speech_emotion.search.objective import splits_of
from speech_emotion.search.published import publish_study
from speech_emotion.search.storage import delete_study, open_storage, open_study, storage_url, study_states
from speech_emotion.search.study import Found, SearchJob
from speech_emotion.search.tables import (
    IMPORTANCE,
    history_table,
    importance_table,
    steps_table,
    trials_table,
)
from speech_emotion.search.workers import search, work
from speech_emotion.steps.step import Folders, Step, StepParams
from speech_emotion.steps.train import STEP as TRAIN
from speech_emotion.steps.train import experiment_of, make_jobs
from speech_emotion.steps.wanted import TABLE
from speech_emotion.store.atomic import write_text
from speech_emotion.systems.catalogue import system_config

REMOVE_OLD = "speech-emotion studies --remove-old"


def run_step(inputs: Folders, params: StepParams, outputs: Folders, recorder: Recorder) -> None:
    founds: list[Found] = []
    if params.tune.enabled and (config := system_config(params.systems, params.system)).builds_on:
        recorder.note(f"{config.id}: no search, since it builds on {', '.join(config.builds_on)}")
    elif params.tune.enabled:
        jobs = search_jobs(inputs, params)
        if old := old_studies(jobs):
            recorder.note(
                f"{params.system}: {len(old)} studies of other data, params or code are kept; to remove: {REMOVE_OLD}"
            )
        founds = search(jobs, params.workers, recorder, f"tune {params.system}")
        for found in founds:
            recorder.note(f"{params.system} fold {found.fold}: inner UA {100 * found.best_ua:.1f} with {found.best}")
            for note in found.notes:
                recorder.note(note)
    _write(founds, params, outputs["best"])


def search_jobs(inputs: Folders, params: StepParams) -> list[SearchJob]:
    """Returns one study for each outer fold, with the budget's first seed."""
    experiment, rows, folds = experiment_of(params, inputs["utterances"], inputs["features"])
    url = storage_url(params.tune.storage, inputs["studies"], params.system)
    papers = inputs["papers"] if params.train.published_units else None
    shorter = replace(experiment, max_epochs=min(experiment.max_epochs, params.tune.epochs))
    return [
        SearchJob(job, splits_of(experiment.config, job.fold, folds), params.tune, url, papers)
        for job in make_jobs(params, shorter, rows, folds, {}, inputs["studies"])
        if job.seed == params.budget.seeds[0]
    ]


def join_search(inputs: Folders, params: StepParams, recorder: Recorder) -> None:
    """Works on the system's studies, as an additional worker, until all their trials have finished.

    Raises:
        UserError: the search is off, or the storage cannot be used.
    """
    if not params.tune.enabled:
        raise UserError("tune.enabled = False: must be true for a search")
    if system_config(params.systems, params.system).builds_on:
        return
    for _ in recorder.progress(work(search_jobs(inputs, params)), f"worker of {params.system}"):
        pass


def old_studies(jobs: Sequence[SearchJob]) -> list[str]:
    """Returns the names of the studies of these folds with other data, params or code."""
    storage, _ = open_storage(jobs[0].url)
    current, prefixes = {job.name for job in jobs}, tuple(job.prefix for job in jobs)
    return sorted(name for name in study_states(storage) if name.startswith(prefixes) and name not in current)


def publish_studies(jobs: Sequence[SearchJob], papers: Path) -> int:
    """Writes the finished trials of these folds' studies to `papers`, to be committed; returns their number."""
    storage, guard = open_storage(jobs[0].url)
    known, count = study_states(storage), 0
    for job in jobs:
        if job.name in known:
            with guard.turn():
                study = open_study(job.name, storage)
            count += publish_study(job, study, papers)
    return count


def list_studies(jobs: Sequence[SearchJob], remove_old: bool = False) -> list[str]:
    """Returns one line per study of these folds: name, trials by state, and whether it is old.

    Args:
        jobs: the current studies.
        remove_old: delete the old studies.
    """
    storage, guard = open_storage(jobs[0].url)
    old = set(old_studies(jobs))
    prefixes = tuple(job.prefix for job in jobs)
    lines = []
    for name, states in study_states(storage).items():
        if not name.startswith(prefixes):
            continue
        told = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "no trial"
        lines.append(f"{name}  {told}")
        if name in old:
            lines[-1] += "  old"
            if remove_old:
                with guard.turn():
                    delete_study(name, storage)
                lines[-1] += ", removed"
    return lines


def _write(founds: Sequence[Found], params: StepParams, folder: Path) -> None:
    trials = trials_table(founds)
    best = {found.fold: found.best for found in founds}
    write_text(folder / "best.json", json.dumps(best, indent=1, sort_keys=True) + "\n")
    trials.to_csv(folder / "trials.csv", index=False)
    steps_table(founds).to_csv(folder / "steps.csv", index=False)
    history = history_table(trials)
    history.to_csv(folder / "history.csv", index=False)
    importance = importance_table(founds, params.tune.seed) if founds else pd.DataFrame(columns=list(IMPORTANCE))
    importance.to_csv(folder / "importance.csv", index=False)
    if founds:
        title = system_config(params.systems, params.system).title
        history_plot(folder / "history.png", trials, history, title)
        importance_plot(folder / "importance.png", importance, title)


STEP = Step(
    name="tune",
    run=run_step,
    inputs={"utterances": "artifacts/ingest", "features": "artifacts/features"},
    outputs={"best": "artifacts/tune/{system}"},
    sections=(*TRAIN.sections, "tune"),
    caches={"studies": "artifacts/studies", "papers": "papers"},
    per_system=True,
    dvc_inputs=(TABLE.as_posix(),),
    wanted=TRAIN.wanted,
    own_rooms=("systems",),  # search spaces
)
