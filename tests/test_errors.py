import subprocess
import sys

import pytest

from speech_emotion.errors import UserError, exit_status

CODE = "import sys; from speech_emotion.errors import exit_status; sys.exit(exit_status(lambda: {command}))"


@pytest.mark.parametrize(("returned", "status"), [(None, 0), (0, 0), (3, 3)])
def test_a_command_ends_with_what_it_returns(returned, status):
    assert exit_status(lambda: returned) == status


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (UserError("corpus = x: must be emodb\nseed = -1: must be at least 0"), 1,
         "error: corpus = x: must be emodb\nerror: seed = -1: must be at least 0\n"),
        (KeyboardInterrupt(), 130, "error: interrupted: the same command takes up where it stopped\n"),
    ],
)  # fmt: skip
def test_what_ends_a_command_is_told_without_a_traceback(error, status, told, capsys):
    def command():
        raise error

    assert exit_status(command) == status
    assert capsys.readouterr().err == told


@pytest.mark.parametrize("command", ["print('x' * 10_000_000)", "print('x')"])
def test_a_reader_that_has_gone_is_no_fault(command):
    process = subprocess.Popen(
        [sys.executable, "-c", CODE.format(command=command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (141, b"")
