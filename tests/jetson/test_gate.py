"""One computes, some wait, the others are told to come back."""

import threading

import pytest

from speech_emotion_jetson.gate import Busy, Gate


def test_there_are_as_many_places_as_may_wait_and_one_more():
    gate = Gate(waiting=1)
    with gate.place(), gate.place(), pytest.raises(Busy), gate.place():
        pass
    with gate.place():
        pass


def test_turns_come_one_after_the_other():
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


def test_one_who_is_no_longer_wanted_gives_the_place_back():
    gate = Gate(waiting=1)

    def gone():
        raise ConnectionError

    with gate.place(), gate.turn(lambda: None):
        with pytest.raises(ConnectionError), gate.place(), gate.turn(gone):
            pass
        with gate.place():
            pass


def test_an_error_gives_turn_and_place_back():
    gate = Gate(waiting=0)
    for _ in range(3):
        with pytest.raises(ValueError, match="x"), gate.place(), gate.turn(lambda: None):
            raise ValueError("x")
