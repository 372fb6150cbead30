"""A file with variables for the steps of a local run, as docker run and docker compose read it."""

from pathlib import Path

from dotenv import dotenv_values

from speech_emotion.errors import UserError


def read_environment(file: Path) -> dict[str, str]:
    """Name -> value of each line NAME=VALUE; a value holds no references to others.

    Raises:
        UserError: the file is not there, or a line has no value.
    """
    try:
        text = file.open(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}): write lines NAME=VALUE into it") from None
    with text:
        values = dotenv_values(stream=text, interpolate=False)
    for name, value in values.items():
        if value is None:
            raise UserError(f"{file}: {name}: has no value: write {name}=value")
    return {name: value for name, value in values.items() if value is not None}
