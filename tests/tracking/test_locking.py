import json

import pytest

from speech_emotion.errors import UserError
from speech_emotion.recorder import Recorder
from speech_emotion.tracking.connection import open_store
from speech_emotion.tracking.locking import PREFIX, ExperimentTags, ModelTags, exclusive
from speech_emotion.tracking.processes import this_process

MODEL = "speech-emotion"


@pytest.fixture
def client(new_database):
    with open_store(new_database(), "speech-emotion") as store:
        store.client.create_registered_model(MODEL)
        yield store.client


def tickets(client):
    return {key: value for key, value in client.get_registered_model(MODEL).tags.items() if key.startswith(PREFIX)}


def test_a_ticket_is_kept_for_the_length_of_the_turn_and_no_longer(client):
    with exclusive(ModelTags(client, MODEL), 60, Recorder(quiet=True)) as turn:
        turn.confirm()
        assert len(tickets(client)) == 1
    assert tickets(client) == {}


def test_the_ticket_goes_where_the_work_fails(client):
    with pytest.raises(ZeroDivisionError), exclusive(ModelTags(client, MODEL), 60, Recorder(quiet=True)):
        raise ZeroDivisionError
    assert tickets(client) == {}


@pytest.mark.parametrize("number", [0, 1])
def test_a_dead_process_is_passed_over_after_its_lease(client, number):
    client.set_registered_model_tag(MODEL, f"{PREFIX}dead", f"{number} 1 elsewhere process 7")
    with exclusive(ModelTags(client, MODEL), 0.3, Recorder(quiet=True)):
        assert f"{PREFIX}dead" not in tickets(client)


def test_one_of_this_host_that_has_ended_is_passed_over_at_once(client):
    gone = json.dumps({**this_process(), "pid": 2**22 + 1})
    client.set_registered_model_tag(MODEL, f"{PREFIX}dead", f"1 1 {gone}")
    with exclusive(ModelTags(client, MODEL), 3600, Recorder(quiet=True)):
        assert f"{PREFIX}dead" not in tickets(client)


def test_one_of_this_host_in_another_container_is_waited_for(client, monkeypatch):
    elsewhere = json.dumps({**this_process(), "pid": 2**22 + 1, "space": "pid:[1]"})
    client.set_registered_model_tag(MODEL, f"{PREFIX}working", f"1 1 {elsewhere}")

    def done(seconds):
        client.delete_registered_model_tag(MODEL, f"{PREFIX}working")

    monkeypatch.setattr("speech_emotion.tracking.locking.time.sleep", done)
    with exclusive(ModelTags(client, MODEL), 3600, Recorder(quiet=True)):
        assert len(tickets(client)) == 1
        monkeypatch.undo()


def test_an_experiment_has_turns_too(client):
    id = client.create_experiment("turns")
    client.set_experiment_tag(id, f"{PREFIX}dead", "1 1 elsewhere process 7")
    with exclusive(ExperimentTags(client, id), 0.3, Recorder(quiet=True)) as turn:
        turn.confirm()
        ExperimentTags(client, id).remove("gone already")
        assert len([key for key in client.get_experiment(id).tags if key.startswith(PREFIX)]) == 1
    assert not [key for key in client.get_experiment(id).tags if key.startswith(PREFIX)]


def test_a_number_lies_above_all_that_are_there(client, monkeypatch):
    client.set_registered_model_tag(MODEL, f"{PREFIX}working", "9 1 elsewhere process 7")
    seen = []

    def done(seconds):  # the other process leaves while this one waits
        seen.append(max(int(value.split()[0]) for value in tickets(client).values()))
        client.delete_registered_model_tag(MODEL, f"{PREFIX}working")

    monkeypatch.setattr("speech_emotion.tracking.locking.time.sleep", done)
    with exclusive(ModelTags(client, MODEL), 3600, Recorder(quiet=True)):
        assert seen == [10]


def test_who_was_taken_for_dead_changes_nothing_more(client):
    with exclusive(ModelTags(client, MODEL), 60, Recorder(quiet=True)) as turn:
        for key in tickets(client):
            client.delete_registered_model_tag(MODEL, key)
        with pytest.raises(UserError, match="lost its turn"):
            turn.confirm()
