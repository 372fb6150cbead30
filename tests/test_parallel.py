from orphans import killed_with_workers, survivors
from speech_emotion.parallel import ordered_map
from told import Told

STARTS_TWO = """
from orphans import works_for_ever
from speech_emotion.parallel import ordered_map
from speech_emotion.recorder import Recorder

list(ordered_map(works_for_ever, [{folder!r}] * 4, 2, Recorder(quiet=True), ""))
"""


def test_results_come_in_the_order_of_the_items():
    assert list(ordered_map(abs, [-3, 2, -1], 2, Told(), "")) == [3, 2, 1]


def test_workers_end_in_the_middle_of_their_work_when_the_process_that_started_them_is_killed(tmp_path):
    with killed_with_workers(STARTS_TWO.format(folder=str(tmp_path)), tmp_path, 2) as workers:
        assert survivors(workers) == []
