import threading

import pytest
import sqlalchemy

from speech_emotion.store.locks import STUDIES, TABLES, file_turn, server_turn


@pytest.fixture(params=["file", "server"])
def turn(request, tmp_path):
    """Takes the turn of a number, each call as another process would."""
    if request.param == "file":
        return lambda number: file_turn(tmp_path / f"{number}.db")
    url = request.getfixturevalue("postgres")
    return lambda number: server_turn(sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT"), number)


def test_who_comes_second_waits_until_the_first_has_left(turn):
    order = []

    def second():
        with turn(TABLES):
            order.append("second")

    waiting = threading.Thread(target=second)
    with turn(TABLES):
        waiting.start()
        waiting.join(0.2)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]


def test_turns_of_different_things_do_not_wait_for_each_other(turn):
    with turn(TABLES), turn(STUDIES):
        pass


def test_the_turn_is_free_after_a_fault(turn):
    with pytest.raises(ZeroDivisionError), turn(TABLES):
        raise ZeroDivisionError
    with turn(TABLES):
        pass
