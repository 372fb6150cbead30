"""A file with variables for the steps of a local run, with quotes and comments as docker compose has them."""

import io
from pathlib import Path

from dotenv.parser import Original, parse_stream

from speech_emotion.errors import UserError


def read_environment(file: Path) -> dict[str, str]:
    """Name -> value of each line NAME=VALUE; a value holds no references to others.

    Raises:
        UserError: the file is not there or no UTF-8, or a line is no NAME=VALUE; its text, a secret, is not repeated.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}): write lines NAME=VALUE into it") from None
    except UnicodeDecodeError:
        raise UserError(f"{file}: is no UTF-8 text: save it as UTF-8") from None
    values = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            raise UserError(
                f"{file}: line {_line(binding.original)}: is no NAME=VALUE: mend it; a quote needs its other one, and "
                "nothing but a comment may follow it"
            )
        if binding.key is None:  # a comment, or blank lines at the end
            continue
        if binding.value is None:
            raise UserError(f"{file}: {binding.key}: has no value: write {binding.key}=value")
        values[binding.key] = binding.value
    return values


def _line(original: Original) -> int:
    """Where its text begins; dotenv counts from the blank lines before it."""
    blank = original.string[: len(original.string) - len(original.string.lstrip())]
    return original.line + blank.count("\n")
