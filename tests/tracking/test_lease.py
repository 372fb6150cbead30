import json

import pytest

from speech_emotion.errors import UserError
from speech_emotion.tracking.connection import open_store
from speech_emotion.tracking.lease import PREFIX, ExperimentTags, Lease, ModelTags
from speech_emotion.tracking.processes import this_process

MODEL = "speech-emotion"


@pytest.fixture
def client(new_database):
    with open_store(new_database(), "speech-emotion") as store:
        store.client.create_registered_model(MODEL)
        yield store.client


@pytest.fixture
def turn(client):
    """Gives the turn of the model's lock, with a lease of the given seconds."""
    return lambda seconds, note=print: Lease(ModelTags(client, MODEL), seconds).turn(note)


def tickets(client):
    return {key: value for key, value in client.get_registered_model(MODEL).tags.items() if key.startswith(PREFIX)}


def is_waited_for(client, monkeypatch, key):
    """Removes that ticket as soon as this process waits; returns the list of tickets seen then."""
    seen = []

    def done(seconds):
        seen.append(tickets(client))
        client.delete_registered_model_tag(MODEL, key)

    monkeypatch.setattr("speech_emotion.tracking.lease.time.sleep", done)
    return seen


def test_a_ticket_exists_only_during_the_turn(client, turn):
    with turn(60) as held:
        held.confirm()
        assert len(tickets(client)) == 1
    assert tickets(client) == {}


def test_an_exception_removes_the_ticket(client, turn):
    with pytest.raises(ZeroDivisionError), turn(60):
        raise ZeroDivisionError
    assert tickets(client) == {}


@pytest.mark.parametrize("value", ["0 elsewhere process 7", "1 1 as an earlier revision wrote it"])
def test_a_dead_process_is_skipped_after_its_lease(client, turn, value):
    client.set_registered_model_tag(MODEL, f"{PREFIX}dead.1", value)
    told = []
    with turn(0.3, told.append):
        assert f"{PREFIX}dead.1" not in tickets(client)
    assert "has been silent for 0.3 s: not waiting any longer" in told[-1]


def test_an_ended_process_of_this_host_is_skipped_at_once(client, turn):
    gone = json.dumps({**this_process(), "pid": 2**22 + 1})
    client.set_registered_model_tag(MODEL, f"{PREFIX}dead.1", f"1 {gone}")
    with turn(3600):
        assert f"{PREFIX}dead.1" not in tickets(client)


def test_a_process_in_another_container_of_this_host_is_waited_for_and_named(client, turn, monkeypatch):
    elsewhere = {**this_process(), "pid": 2**22 + 1, "space": "pid:[1]"}
    client.set_registered_model_tag(MODEL, f"{PREFIX}working.1", f"1 {json.dumps(elsewhere)}")
    waited, told = is_waited_for(client, monkeypatch, f"{PREFIX}working.1"), []
    with turn(3600, told.append):
        assert len(tickets(client)) == 1
        monkeypatch.undo()
    assert len(waited) == 1
    assert told == [
        f"store: waiting for {elsewhere['host']} process {2**22 + 1}, which is making changes: if it hangs, end it"
    ]


def test_an_experiment_has_turns_too(client):
    id = client.create_experiment("turns")
    tags = ExperimentTags(client, id)
    client.set_experiment_tag(id, f"{PREFIX}dead.1", "1 elsewhere process 7")
    with Lease(tags, 0.3).turn() as turn:
        turn.confirm()
        tags.remove("gone already")
        assert len([key for key in tags.read() if key.startswith(PREFIX)]) == 1
    assert not [key for key in tags.read() if key.startswith(PREFIX)]


def test_a_new_number_is_above_all_others(client, turn, monkeypatch):
    client.set_registered_model_tag(MODEL, f"{PREFIX}working.1", "9 elsewhere process 7")
    waited = is_waited_for(client, monkeypatch, f"{PREFIX}working.1")
    with turn(3600):
        assert max(int(value.split()[0]) for value in waited[0].values()) == 10


def test_a_turn_that_is_renewed_keeps_its_place(client, turn):
    with turn(1e-9) as held:  # renews at every look
        ((first, value),) = tickets(client).items()
        held.confirm()
        ((second, again),) = tickets(client).items()
    assert value == again and first != second
    assert first.rpartition(".")[0] == second.rpartition(".")[0]


def test_a_process_considered_dead_makes_no_more_changes(client, turn):
    with turn(60) as held:
        for key in tickets(client):
            client.delete_registered_model_tag(MODEL, key)
        with pytest.raises(UserError, match="lost the lock"):
            held.confirm()


def test_a_process_that_slept_before_renewing_does_not_get_its_turn_back(client, turn, monkeypatch):
    write = ModelTags.write

    def late(tags, key, value):
        for other in tickets(client):
            client.delete_registered_model_tag(MODEL, other)
        write(tags, key, value)

    with turn(1e-9) as held:
        monkeypatch.setattr(ModelTags, "write", late)
        with pytest.raises(UserError, match="lost the lock"):
            held.confirm()
    assert tickets(client) == {}
