"""Errors that are the user's to mend."""

from __future__ import annotations


class UserError(Exception):
    """Something that the user can mend: the message names the thing, its value and the cure."""


class AudioFault(UserError):
    """Audio that cannot be used.

    Attributes:
        path: the file.
        reason: a word, one for each kind of fault, such as "truncated".
        detail: a sentence, without the path.
    """

    def __init__(self, path, reason: str, detail: str):
        super().__init__(f"{path}: {reason}: {detail}")
        self.path, self.reason, self.detail = str(path), reason, detail
