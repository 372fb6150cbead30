import os

import psutil
import pytest

from speech_emotion.tracking.processes import can_be_asked, runs_here, this_process


def test_this_process_runs_and_one_with_another_start_does_not():
    process = this_process()
    assert runs_here(process)
    assert not runs_here({**process, "started": process["started"] - 1000})
    assert not runs_here({**process, "pid": 2**22 + 1})


def test_a_zombie_does_not_run():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    process = {**this_process(), "pid": child, "started": psutil.Process(child).create_time()}
    assert not runs_here(process)
    os.waitpid(child, 0)


@pytest.mark.parametrize("other", [{"host": "elsewhere"}, {"space": "pid:[1]"}, {"space": None}])
def test_a_process_on_another_host_or_in_another_container_cannot_be_checked(other):
    assert can_be_asked(this_process())
    assert not can_be_asked({**this_process(), **other})
