import contextlib
import itertools
import json

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from made_up_models import PARAMS, QUIET, STANDING, add, alike, logged, state, two_at_once
from servers import create_database
from speech_emotion.errors import UserError
from speech_emotion.tracking.connection import open_store
from speech_emotion.tracking.registry import promote, rollback
from speech_emotion.tracking.versions import HISTORY


@pytest.fixture
def store(new_database):
    with open_store(new_database(), "speech-emotion") as opened:
        yield opened


@pytest.fixture
def three(store, tmp_path):
    """Three champions, one after the other."""
    for key, ua in (("a", 70.0), ("b", 75.0), ("c", 80.0)):
        add(store, tmp_path, key, ua=ua)
    return store


def champions(store):
    return [(event.before, event.champion, event.how) for event in state(store).history]


def test_the_first_model_is_champion_with_its_origin(store, tmp_path):
    registered = add(store, tmp_path, "a")
    assert (registered.version, registered.alias, registered.found) == (1, "champion", False)
    version = store.client.get_model_version_by_alias(PARAMS.name, "champion")
    (mine,) = state(store).versions
    assert version.tags["data"] == STANDING.data
    assert version.description == "A *model*."
    assert version.run_id == mine.run
    assert version.source == f"models:/{mine.model}"
    assert mine.tags["champion_before"] == "none"


def test_the_same_model_is_not_registered_twice(store, tmp_path):
    first, second = add(store, tmp_path, "a"), add(store, tmp_path, "a")
    assert (second.version, second.alias, second.found) == (first.version, first.alias, True)
    assert len(state(store).versions) == 1
    assert len(state(store).history) == 1


def test_a_better_model_becomes_champion_and_the_history_records_the_one_before(store, tmp_path):
    add(store, tmp_path, "a")
    add(store, tmp_path, "b", ua=71.5)
    now = state(store)
    assert (now.champion, now.challenger) == (2, None)
    assert (now.history[-1].champion, now.history[-1].before) == (2, 1)
    assert "+1.50 points" in now.history[-1].reason
    assert now.version(2).tags["champion_before"] == "1"


def test_a_model_that_is_not_better_becomes_challenger_with_the_reason_as_a_tag(store, tmp_path):
    add(store, tmp_path, "a")
    registered = add(store, tmp_path, "b", ua=69.0)
    now = state(store)
    assert (now.champion, now.challenger) == (1, 2)
    assert now.version(2).tags["reason"] == registered.reason
    assert "not better" in registered.reason
    assert add(store, tmp_path, "c", ua=70.4).version == state(store).challenger == 3


def test_a_small_gain_needs_the_paired_test_against_the_champion(store, tmp_path):
    add(store, tmp_path, "a")
    asked = []

    def test(version):
        asked.append(version.number)
        return alike(0.01)

    assert add(store, tmp_path, "b", test, ua=70.5).alias == "champion"
    assert asked == [1]


def test_a_champion_registered_by_other_means_is_not_comparable(store, tmp_path):
    model, run = logged(store, tmp_path)
    store.client.create_registered_model(PARAMS.name)
    store.client.create_model_version(PARAMS.name, f"models:/{model}", run, model_id=model)
    store.client.set_registered_model_alias(PARAMS.name, "champion", "1")
    registered = add(store, tmp_path, "a")
    assert registered.alias == "challenger"
    assert "registered by other means" in registered.reason


def test_a_promotion_names_the_champion_before_and_removes_the_challenger(store, tmp_path):
    add(store, tmp_path, "a")
    add(store, tmp_path, "b", ua=69.0)
    text = promote(store, PARAMS, 2, "quieter on the phone", QUIET)
    now = state(store)
    assert text == "speech-emotion version 2 is now champion; before: version 1 (quieter on the phone)"
    assert (now.champion, now.challenger) == (2, None)
    assert now.version(2).tags["reason"] == "quieter on the phone"
    assert champions(store) == [(None, 1, "registered"), (1, 2, "promoted")]
    assert "already" in promote(store, PARAMS, 2, "", QUIET)
    assert len(state(store).history) == 2


def test_a_missing_version_is_refused_and_nothing_changes(three):
    with pytest.raises(UserError, match="version 9: speech-emotion has no such version: must be one of 1, 2, 3"):
        promote(three, PARAMS, 9, "", QUIET)
    assert state(three).champion == 3


def test_rollback_goes_one_champion_back_each_time(three):
    rollback(three, PARAMS, "", QUIET)
    assert state(three).champion == 2
    text = rollback(three, PARAMS, "worse on site", QUIET)
    assert text == "speech-emotion version 1 is champion again; before: version 2 (worse on site)"
    assert state(three).champion == 1
    with pytest.raises(UserError, match="no champion before version 1"):
        rollback(three, PARAMS, "", QUIET)
    assert champions(three)[-2:] == [(3, 2, "rolled back"), (2, 1, "rolled back")]


def test_rollback_skips_a_deleted_version(three):
    three.client.delete_model_version(PARAMS.name, "2")
    rollback(three, PARAMS, "", QUIET)
    assert state(three).champion == 1


def test_commands_on_an_empty_registry_name_the_cure(store):
    for command in (lambda: promote(store, PARAMS, 1, "", QUIET), lambda: rollback(store, PARAMS, "", QUIET)):
        with pytest.raises(UserError, match="nothing is registered yet: run make run"):
            command()


def test_a_champion_changed_on_mlflows_pages_is_recorded_in_the_history(three):
    three.client.set_registered_model_alias(PARAMS.name, "champion", "1")
    promote(three, PARAMS, 2, "", QUIET)
    assert champions(three)[-2:] == [(3, 1, "moved elsewhere"), (1, 2, "promoted")]


@pytest.mark.parametrize("call", ["set_registered_model_alias", "set_registered_model_tag"])
def test_a_killed_rollback_is_complete_or_none_and_the_next_goes_further_back(three, monkeypatch, call):
    def killed(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(type(three.client), call, killed)
        rollback(three, PARAMS, "worse on site", QUIET)
    reached = state(three).champion
    rollback(three, PARAMS, "", QUIET)
    assert (reached, state(three).champion) == ((2, 1) if call == "set_registered_model_tag" else (3, 2))
    line = [(3, 2, "rolled back"), (2, 1, "rolled back")] if reached == 2 else [(3, 2, "rolled back")]
    assert champions(three)[3:] == line
    assert state(three).history[3].reason == ("worse on site" if reached == 2 else "rolled back from version 3")


def test_a_user_without_the_right_to_delete_promotes_a_challenger(store, tmp_path, monkeypatch):
    add(store, tmp_path, "a")
    add(store, tmp_path, "b", ua=69.0)

    def refused(*_arguments):
        raise MlflowException("Permission denied", PERMISSION_DENIED)

    monkeypatch.setattr(type(store.client), "delete_registered_model_alias", refused)
    promote(store, PARAMS, 2, "", QUIET)
    now = state(store)
    assert (now.champion, now.challenger, now.version(2).aliases) == (2, None, ("champion",))
    assert champions(store)[-1] == (1, 2, "promoted")
    add(store, tmp_path, "c", ua=99.0)
    assert (state(store).champion, state(store).challenger) == (3, None)


def test_a_promotion_keeps_the_verdict_of_the_gate(store, tmp_path):
    add(store, tmp_path, "a")
    first = add(store, tmp_path, "b", ua=69.0)
    promote(store, PARAMS, 2, "quieter on the phone", QUIET)
    again = add(store, tmp_path, "b", ua=69.0)
    assert (again.found, again.alias, again.reason) == (True, "challenger", first.reason)


def test_a_model_with_lost_files_is_registered_again_and_takes_the_aliases(store, tmp_path):
    add(store, tmp_path, "a")
    add(store, tmp_path, "b", ua=69.0)
    for version in state(store).versions:
        store.client.delete_logged_model(version.model)
    again = add(store, tmp_path, "a")
    assert (again.version, again.alias, again.found) == (3, "champion", False)
    assert "the same model as version 1" in again.reason
    assert add(store, tmp_path, "b", ua=69.0).alias == "challenger"
    assert (state(store).champion, state(store).challenger) == (3, 4)
    with pytest.raises(UserError, match="its files are gone"):
        promote(store, PARAMS, 1, "", QUIET)


@pytest.mark.parametrize("calls", range(1, 8))
@pytest.mark.parametrize("ua", [69.0, 75.0])
def test_after_a_kill_anywhere_the_next_run_gives_the_same_result(store, tmp_path, monkeypatch, calls, ua):
    add(store, tmp_path, "a")
    count = itertools.count(1)
    methods = (
        "create_model_version",
        "set_model_version_tag",
        "set_registered_model_alias",
        "set_registered_model_tag",
    )

    def killed(method):
        def call(*arguments, **named):
            if next(count) == calls:
                raise KeyboardInterrupt
            return method(*arguments, **named)

        return call

    with monkeypatch.context() as patched:
        for name in methods:
            patched.setattr(type(store.client), name, killed(getattr(type(store.client), name)))
        with contextlib.suppress(KeyboardInterrupt):
            add(store, tmp_path, "b", ua=ua)
    add(store, tmp_path, "b", ua=ua)
    now = state(store)
    assert len(now.versions) == 2
    assert (now.champion, now.challenger) == ((1, 2) if ua < 70 else (2, None))
    assert now.version(2).tags["decided"] == ("challenger" if ua < 70 else "champion")
    assert [event.champion for event in now.history] == ([1] if ua < 70 else [1, 2])
    assert ("not better" if ua < 70 else "+5.00 points") in now.version(2).tags["reason"]


def test_two_processes_at_once_on_a_new_file_do_not_corrupt_it(tmp_path):
    two_at_once(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path, rounds=6)


def test_two_processes_at_once_on_an_empty_database_server_do_not_corrupt_it(postgres, tmp_path, monkeypatch):
    uri = create_database(postgres, "registrations")
    monkeypatch.chdir(tmp_path)  # artifacts of a database server are in the working folder
    two_at_once(uri, tmp_path, rounds=4)


def test_the_history_in_the_tags_is_readable(three):
    tags = three.client.get_registered_model(PARAMS.name).tags
    last = json.loads(tags[f"{HISTORY}0003"])
    assert (last["champion"], last["before"], last["how"]) == (3, 2, "registered")
