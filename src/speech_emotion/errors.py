"""Errors that the user can fix, and how commands end with them.

The class is the device runtime's, so that commands of either side report the errors of both.
"""

import os
import signal
import sys
from collections.abc import Callable

from speech_emotion_jetson.errors import UserError


def tell(error: UserError) -> None:
    """Prints the message to standard error; each of its lines starts with "error: "."""
    for line in str(error).splitlines():
        print(f"error: {line}", file=sys.stderr)


def exit_status(command: Callable[[], int | None]) -> int:
    """Runs a command and returns its exit status.

    The status is what the command returns (0 for None), 1 after a UserError and 130 after Ctrl-C; for these two a
    message is printed. If the reader of standard output has closed it (a pager, head), the command ends silently, as
    Unix commands do.
    """
    try:
        status = command() or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains when it exits
        return 128 + signal.SIGPIPE
    except UserError as error:
        tell(error)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted: run the same command again to continue", file=sys.stderr)
        return 130
