"""The commands, run with the recogniser of an opened bundle; cli.py defines their options."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, Sequence, TextIO

from speech_emotion_jetson.errors import UserError
from speech_emotion_jetson.microphone import listen
from speech_emotion_jetson.raw import check_rate, raw_blocks
from speech_emotion_jetson.reading import is_audio, shown
from speech_emotion_jetson.recogniser import Recogniser
from speech_emotion_jetson.report import Report


def answer_files(recogniser: Recogniser, paths: Sequence[Path], form: str, rows: str, output: Path | None) -> None:
    """Writes rows for files; a file that cannot be used gets a row with the reason.

    Args:
        recogniser: a loaded model.
        paths: of the files.
        form: one of report.FORMS.
        rows: one of report.ROWS.
        output: file, written whole or not at all; None is standard output.

    Raises:
        UserError: `output` cannot be written, or some files could not be used; this is raised after all rows.
    """
    failed = 0
    with _writing(output) as stream:
        report = Report(stream, form, recogniser.labels, rows, [shown(path) for path in paths])
        for path in paths:
            try:
                said = recogniser.predict_file(path)
            except UserError as error:
                report.fail(path, error)
                failed += 1
            else:
                report.add(path, said)
            stream.flush()
    if failed:
        raise UserError(f"{failed} of {len(paths)} files: could not be used: their rows say why")


def audio_below(folder: Path) -> list[Path]:
    """All audio files of a folder and its subfolders, without hidden ones, sorted; UserError if there are none."""
    if not folder.is_dir():
        raise UserError(f"{folder}: is not a folder: name one, or use the command `file`")
    found = []
    for place, subfolders, names in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not name.startswith(".") and name != "__MACOSX"]
        found += [Path(place) / name for name in names if not name.startswith(".") and is_audio(Path(name))]
    if not found:
        raise UserError(f"{folder}: holds no audio file: name a folder with WAV, FLAC, Ogg or MP3 files")
    return sorted(found)


def answer_stream(recogniser: Recogniser, rate: int, channels: int, encoding: str, form: str) -> None:
    """Writes a row every hop for raw samples on standard input, until they end.

    Args:
        recogniser: a loaded model.
        rate: Hz.
        channels: interleaved.
        encoding: one of wav.WIDTHS.
        form: one of report.FORMS.

    Raises:
        UserError: as raw.raw_blocks.
    """
    report = Report(sys.stdout, form, recogniser.labels, "live")
    for window in recogniser.follow(raw_blocks(sys.stdin.buffer, rate, channels, encoding), rate):
        report.live(window)


def answer_microphone(
    recogniser: Recogniser, device: str, rate: int, form: str, retries: int | None, tell: Callable[[str], None]
) -> None:
    """Writes a row every hop for a microphone, until the user stops it; times restart at 0 when it is reconnected.

    Args:
        recogniser: a loaded model.
        device: ALSA's name, as `arecord -L` lists them.
        rate: Hz.
        form: one of report.FORMS.
        retries: failed attempts in a row to open it before giving up; None means no limit.
        tell: prints a line.

    Raises:
        UserError: the rate is out of range, or as microphone.listen.
    """
    check_rate(rate)
    report = Report(sys.stdout, form, recogniser.labels, "live")
    for blocks in listen(device, rate, tell, retries):
        for window in recogniser.follow(blocks, rate):
            report.live(window)


@contextmanager
def _writing(output: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that is written whole or not at all.

    Raises:
        UserError: the file cannot be written; if `output` is a folder, before any work is done.
    """
    if output is None:
        yield sys.stdout
        return
    name = None
    try:
        if output.is_dir():
            raise UserError(f"--output = {output}: is a folder: name a file")
        handle, name = tempfile.mkstemp(dir=str(output.parent), prefix=f".{output.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            yield stream
        os.chmod(name, 0o644)
        os.replace(name, output)
    except OSError as error:
        raise UserError(f"--output = {output}: {error.strerror or error}: name another file") from None
    finally:
        if name is not None and os.path.exists(name):
            os.unlink(name)
