import subprocess
import sys

import pytest

from speech_emotion.errors import UserError, exit_status

CODE = "import sys; from speech_emotion.errors import exit_status; sys.exit(exit_status(lambda: {command}))"


@pytest.mark.parametrize(("returned", "status"), [(None, 0), (0, 0), (3, 3)])
def test_the_exit_status_is_the_commands_result(returned, status):
    assert exit_status(lambda: returned) == status


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (UserError("corpus = x: must be emodb\nseed = -1: must be at least 0"), 1,
         "error: corpus = x: must be emodb\nerror: seed = -1: must be at least 0\n"),
        (KeyboardInterrupt(), 130, "error: interrupted: run the same command again to continue\n"),
    ],
)  # fmt: skip
def test_an_error_is_printed_without_a_traceback(error, status, message, capsys):
    def command():
        raise error

    assert exit_status(command) == status
    assert capsys.readouterr().err == message


@pytest.mark.parametrize("command", ["print('x' * 10_000_000)", "print('x')"])
def test_closed_standard_output_is_not_an_error(command):
    process = subprocess.Popen(
        [sys.executable, "-c", CODE.format(command=command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (141, b"")
