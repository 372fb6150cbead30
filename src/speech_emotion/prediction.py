"""`speech-emotion predict`: the emotions of audio files, one row for each file or window."""

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from speech_emotion.corpora.walking import files_below
from speech_emotion.errors import UserError
from speech_emotion.export.files import BUNDLE
from speech_emotion.inference.recogniser import Recogniser
from speech_emotion.params import load_params
from speech_emotion.recorder import Recorder
from speech_emotion.store.atomic import atomic_file
from speech_emotion_jetson.reading import is_audio, shown
from speech_emotion_jetson.report import Report

EXPORTED = Path("artifacts/export")


def predict(
    paths: Sequence[Path],
    model: str | None = None,
    form: str = "table",
    windows: bool = False,
    output: Path | None = None,
) -> None:
    """Predicts the emotions of audio files and writes one row for each file or window.

    Args:
        paths: files, and folders, whose audio files, also in subfolders, are taken in the order of their names.
        model: folder of the export step, or models:/name@alias; None is artifacts/export if it exists, else the
            champion.
        form: table, csv or jsonl.
        windows: a row for each window rather than for each file.
        output: file, written whole or not at all; None is standard output.

    Raises:
        UserError: no model, no audio file, or files that could not be used; each of those has a row with the reason.
    """
    files: list[Path] = []
    for path in paths:
        found = [path / name for name in files_below(path) if is_audio(name)] if os.path.isdir(path) else [path]
        if not found:
            raise UserError(f"{path}: holds no audio file: name one with WAV, FLAC, Ogg or MP3 files")
        files += found
    model = model or (str(EXPORTED) if (EXPORTED / BUNDLE).is_file() else _champion())
    with ExitStack() as stack:
        if model.startswith(("models:/", "runs:/")):
            from speech_emotion.tracking.download import downloaded_model

            track = load_params().track
            folder = stack.enter_context(downloaded_model(model, track.uri, track.experiment))
        else:
            folder = Path(model)
        recogniser = Recogniser.load(folder)
        try:
            failed = _answer(files, recogniser, form, windows, output)
        except BrokenPipeError:  # a reader such as `head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
        except OSError as error:
            raise UserError(f"output = {output or 'standard output'}: {error.strerror}: name another file") from None
    if failed:
        raise UserError(f"{failed} of {len(files)} files: could not be used: their rows say why")


def _champion() -> str:
    from speech_emotion.tracking.gate import CHAMPION

    return f"models:/{load_params().registry.name}@{CHAMPION}"


def _answer(files: Sequence[Path], recogniser: Recogniser, form: str, windows: bool, output: Path | None) -> int:
    """Writes the rows; returns how many files could not be used."""
    failed = 0
    with ExitStack() as stack:
        stream = sys.stdout
        if output is not None:
            stream = stack.enter_context(stack.enter_context(atomic_file(output)).open("w", encoding="utf-8"))
        rows = "windows" if windows else "files"
        report = Report(stream, form, recogniser.labels, rows, [shown(path) for path in files])
        quiet = len(files) == 1 or (output is None and sys.stdout.isatty())  # rows on the screen are progress enough
        for path in Recorder(quiet).progress(files, "predict", len(files)):
            try:
                prediction = recogniser.predict_file(path)
            except UserError as error:
                report.fail(path, error)
                failed += 1
            else:
                report.add(path, prediction)
        stream.flush()
    return failed
