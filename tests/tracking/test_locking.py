import pytest

from speech_emotion.errors import UserError
from speech_emotion.recorder import Recorder
from speech_emotion.tracking.connection import open_store
from speech_emotion.tracking.locking import PREFIX, exclusive

MODEL = "speech-emotion"


@pytest.fixture
def client(new_database):
    with open_store(new_database(), "speech-emotion") as store:
        store.client.create_registered_model(MODEL)
        yield store.client


def tickets(client):
    return {key: value for key, value in client.get_registered_model(MODEL).tags.items() if key.startswith(PREFIX)}


def test_a_ticket_is_kept_for_the_length_of_the_turn_and_no_longer(client):
    with exclusive(client, MODEL, 60, Recorder(quiet=True)) as turn:
        turn.confirm()
        assert len(tickets(client)) == 1
    assert tickets(client) == {}


def test_the_ticket_goes_where_the_work_fails(client):
    with pytest.raises(ZeroDivisionError), exclusive(client, MODEL, 60, Recorder(quiet=True)):
        raise ZeroDivisionError
    assert tickets(client) == {}


@pytest.mark.parametrize("number", [0, 1])
def test_a_dead_process_is_passed_over_after_its_lease(client, number):
    client.set_registered_model_tag(MODEL, f"{PREFIX}dead", f"{number} 1 elsewhere process 7")
    with exclusive(client, MODEL, 0.3, Recorder(quiet=True)):
        assert f"{PREFIX}dead" not in tickets(client)


def test_a_number_lies_above_all_that_are_there(client, monkeypatch):
    client.set_registered_model_tag(MODEL, f"{PREFIX}working", "9 1 elsewhere process 7")
    seen = []

    def done(seconds):  # the other process leaves while this one waits
        seen.append(max(int(value.split()[0]) for value in tickets(client).values()))
        client.delete_registered_model_tag(MODEL, f"{PREFIX}working")

    monkeypatch.setattr("speech_emotion.tracking.locking.time.sleep", done)
    with exclusive(client, MODEL, 3600, Recorder(quiet=True)):
        assert seen == [10]


def test_who_was_taken_for_dead_changes_nothing_more(client):
    with exclusive(client, MODEL, 60, Recorder(quiet=True)) as turn:
        for key in tickets(client):
            client.delete_registered_model_tag(MODEL, key)
        with pytest.raises(UserError, match="lost its turn"):
            turn.confirm()
