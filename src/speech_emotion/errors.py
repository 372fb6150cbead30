"""Errors that the user can fix, and how commands end with them.

The class is the device runtime's, so that commands of either side report the errors of both.
"""

import os
import signal
import sys
from collections.abc import Callable

from speech_emotion_jetson.errors import UserError


def tell(error: UserError) -> None:
    """Prints a message to the standard error, a line each."""
    for line in str(error).splitlines():
        print(f"error: {line}", file=sys.stderr)


def exit_status(command: Callable[[], int | None]) -> int:
    """Runs a command: what it returns, 0 for nothing; 1 where a UserError ends it, 130 where Ctrl-C does, both told.

    Where whoever reads the standard output has gone (a pager, head), it ends in silence, as Unix commands do.
    """
    try:
        status = command() or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its end
        return 128 + signal.SIGPIPE
    except UserError as error:
        tell(error)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted: the same command takes up where it stopped", file=sys.stderr)
        return 130
