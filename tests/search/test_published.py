"""Published trials are taken from papers/ instead of run, and the search has the same result."""

import json
from dataclasses import replace

import pytest

from made_up_searches import searches, smooth
from speech_emotion.errors import UserError
from speech_emotion.recorder import Recorder
from speech_emotion.search.published import publish_study, take_published
from speech_emotion.search.storage import open_storage, open_study
from speech_emotion.search.workers import search

QUIET = Recorder(quiet=True)


@pytest.fixture
def job(tmp_path):
    return searches(tmp_path, f"sqlite:///{tmp_path / 'first.db'}", count=1, trials=12)[0]


def _study(job):
    storage, guard = open_storage(job.url)
    with guard.turn():
        return open_study(job.name, storage)


def _elsewhere(job, tmp_path, **changed):
    """The same search on another machine with the same papers/."""
    return replace(job, url=f"sqlite:///{tmp_path / 'second.db'}", papers=tmp_path / "papers", **changed)


def _published(job, tmp_path):
    found = search([job], 1, QUIET, "", smooth)[0]
    assert publish_study(job, _study(job), tmp_path / "papers") == 12
    return found


def _file(tmp_path):
    return tmp_path / "papers" / "cnn-lstm-attention" / "studies" / "demo-demo-speakers" / "t2-a.json"


def test_with_a_published_search_no_trial_runs(job, tmp_path):
    first = _published(job, tmp_path)
    assert {row["state"] for row in first.trials} == {"complete", "pruned"}
    again = search([_elsewhere(job, tmp_path)], 1, QUIET, "", lambda *args: pytest.fail("ran again"))[0]
    assert (again.trials, again.steps, again.best) == (first.trials, first.steps, first.best)


def test_continuing_a_partly_published_search_gives_the_same_result(job, tmp_path):
    whole = _published(job, tmp_path)
    record = json.loads(_file(tmp_path).read_text())
    record["trials"] = record["trials"][:7]  # in the middle of a batch of 3
    _file(tmp_path).write_text(json.dumps(record))
    ran = []

    def judge(*args):
        ran.append(1)
        return smooth(*args)

    again = search([_elsewhere(job, tmp_path)], 1, QUIET, "", judge)[0]
    assert (again.trials, again.steps) == (whole.trials, whole.steps)
    assert len(ran) == 5


def test_trials_already_in_the_study_are_not_taken_again(job, tmp_path):
    _published(job, tmp_path)
    other = _elsewhere(job, tmp_path)
    assert take_published(other, _study(other), other.papers) == 12
    assert take_published(other, _study(other), other.papers) == 0
    assert len(_study(other).get_trials()) == 12


def test_a_shorter_search_takes_the_first_trials(job, tmp_path):
    whole = _published(job, tmp_path)
    fewer = _elsewhere(job, tmp_path, params=job.params.model_copy(update={"trials": 4}))
    assert search([fewer], 1, QUIET, "", lambda *args: pytest.fail("ran again"))[0].trials == whole.trials[:4]


def test_trials_of_other_settings_are_not_taken(job, tmp_path):
    _published(job, tmp_path)
    other = _elsewhere(job, tmp_path, params=job.params.model_copy(update={"seed": 1}))
    assert take_published(other, _study(other), other.papers) == 0


def test_a_study_without_a_finished_trial_is_not_published(job, tmp_path):
    assert publish_study(job, _study(job), tmp_path / "papers") == 0
    assert not (tmp_path / "papers").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-9],
        lambda text: text.replace('"linear"', '"cubic"').replace('"rbf"', '"cubic"'),
        lambda text: text.replace('"state": "complete"', '"state": "done"'),
        lambda text: text.replace('"number"', '"no"'),
    ],
)
def test_a_damaged_file_is_an_error_with_the_cure(job, tmp_path, damage):
    _published(job, tmp_path)
    _file(tmp_path).write_text(damage(_file(tmp_path).read_text()))
    other = _elsewhere(job, tmp_path)
    with pytest.raises(UserError, match=r"t2-a.json: holds no finished trials .*: remove it and search again"):
        take_published(other, _study(other), other.papers)
    assert not _study(other).get_trials()
