"""Published trials: finished trials in git, below papers/<paper>/studies/, so that no one has to run them again."""

import json
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from speech_emotion.errors import UserError
from speech_emotion.search.study import NUMBER, SearchJob, Slots
from speech_emotion.store.atomic import write_text
from speech_emotion.store.naming import file_name
from speech_emotion.systems.base import SystemConfig
from speech_emotion.systems.catalogue import system_class


def publish_study(job: SearchJob, study: optuna.Study, papers: Path) -> int:
    """Writes the finished trials of a study to papers/; returns how many there are.

    Values keep all their digits, since the draws of later trials depend on them.

    Args:
        job: the search; only its first `params.trials` trials are written.
        study: its study.
        papers: the folder papers/.
    """
    trials = Slots.of(study).history(job.params.trials)
    if trials:
        head = {"study": job.name, "system": job.system, "fold": job.fold}
        lines = ",\n".join(f" {json.dumps(_record(trial), sort_keys=True)}" for trial in trials)
        write_text(_path(job, papers), f'{json.dumps(head, sort_keys=True)[:-1]},\n"trials": [\n{lines}\n]}}\n')
    return len(trials)


def take_published(job: SearchJob, study: optuna.Study, papers: Path) -> int:
    """Adds published trials that are missing in the study. Call it only inside guard.turn().

    Args:
        job: the search.
        study: its study.
        papers: the folder papers/.

    Returns:
        Number of added trials; 0 if the published ones belong to other data, params or versions.

    Raises:
        UserError: the file is damaged.
    """
    path = _path(job, papers)
    if not path.is_file():
        return 0
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["study"] != job.name:
            return 0
        slots = Slots.of(study)
        missing = [one for one in record["trials"] if one["number"] not in slots.attempts]
        trials = [_trial(job.config, one) for one in missing if one["number"] < job.params.trials]
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: holds no finished trials ({error}): remove it and search again") from None
    study.add_trials(trials)
    return len(trials)


def _path(job: SearchJob, papers: Path) -> Path:
    experiment = job.job.experiment
    folder = papers / job.config.paper / "studies" / f"{experiment.corpus}-{experiment.protocol}"
    return folder / f"{file_name(f'{job.system}-{job.fold}')}.json"


def _record(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "number": trial.user_attrs[NUMBER],
        "state": trial.state.name.lower(),
        "value": trial.value,
        "params": trial.params,
        "steps": {str(step): ua for step, ua in sorted(trial.intermediate_values.items())},
    }


def _trial(config: SystemConfig, record: dict[str, Any]) -> FrozenTrial:
    return optuna.create_trial(
        state=TrialState[record["state"].upper()],
        value=record["value"],
        params=record["params"],
        distributions=_distributions(config, record["params"]),
        intermediate_values={int(step): ua for step, ua in record["steps"].items()},
        user_attrs={NUMBER: record["number"]},
    )


def _distributions(config: SystemConfig, params: dict[str, Any]) -> dict[str, BaseDistribution]:
    """Raises ValueError if a value is missing or outside the system's search space."""
    trial = FixedTrial(params)
    system_class(config).search_space(trial)
    return trial.distributions
