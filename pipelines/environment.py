"""Reads a file of variables for the steps of a local run; quotes and comments work as in docker compose."""

import io
from pathlib import Path

from dotenv.parser import Original, parse_stream

from speech_emotion.errors import UserError


def read_environment(file: Path) -> dict[str, str]:
    """Name -> value of each line NAME=VALUE; references to other variables are not expanded.

    Raises:
        UserError: the file is missing or not UTF-8, or a line is not NAME=VALUE; its text may be a secret and is not
            repeated.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}): write lines NAME=VALUE into it") from None
    except UnicodeDecodeError:
        raise UserError(f"{file}: is not UTF-8: save it as UTF-8") from None
    values = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            raise UserError(
                f"{file}: line {_line(binding.original)}: is not NAME=VALUE: correct it; a quote must be closed, and "
                "only a comment may follow it"
            )
        if binding.key is None:  # a comment, or blank lines at the end
            continue
        if binding.value is None:
            raise UserError(f"{file}: {binding.key}: has no value: write {binding.key}=value")
        values[binding.key] = binding.value
    return values


def _line(original: Original) -> int:
    """Number of the line on which the text starts; dotenv counts the blank lines before it as part of it."""
    blank = original.string[: len(original.string) - len(original.string.lstrip())]
    return original.line + blank.count("\n")
