"""Errors that the user can fix."""

from __future__ import annotations

from pathlib import Path


class UserError(Exception):
    """An error that the user can fix: the message names the thing, its value and the cure.

    Commands print the message without a traceback, and exit with status 1.
    """


class AudioFault(UserError):
    """Audio that cannot be used.

    Attributes:
        path: the file.
        reason: a word for the kind of fault, such as "truncated".
        detail: a sentence without the path.
    """

    def __init__(self, path: Path | str, reason: str, detail: str):
        super().__init__(f"{path}: {reason}: {detail}")
        self.path, self.reason, self.detail = str(path), reason, detail

    def __reduce__(self):
        return type(self), (self.path, self.reason, self.detail)  # so that worker processes can raise it
