"""One request computes, some wait, and the others are refused for now."""

import threading

import pytest

from speech_emotion_jetson.gate import Busy, Gate


def test_there_is_one_place_more_than_may_wait():
    gate = Gate(waiting=1)
    with gate.place(), gate.place(), pytest.raises(Busy), gate.place():
        pass
    with gate.place():
        pass


def test_only_one_computes_at_a_time():
    gate, inside, most = Gate(waiting=9), 0, 0

    def work():
        nonlocal inside, most
        with gate.place(), gate.turn(lambda: None):
            inside += 1
            most = max(most, inside)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == (1, 0)


def test_a_request_whose_client_is_gone_frees_its_place():
    gate = Gate(waiting=1)

    def gone():
        raise ConnectionError

    with gate.place(), gate.turn(lambda: None):
        with pytest.raises(ConnectionError), gate.place(), gate.turn(gone):
            pass
        with gate.place():
            pass


def test_an_error_frees_turn_and_place():
    gate = Gate(waiting=0)
    for _ in range(3):
        with pytest.raises(ValueError, match="x"), gate.place(), gate.turn(lambda: None):
            raise ValueError("x")
