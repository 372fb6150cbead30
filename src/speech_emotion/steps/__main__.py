"""`python -m speech_emotion.steps NAME [--system ID] [--part K/N]`: the command of the stages in dvc.yaml."""

import argparse
import signal
import sys
from pathlib import Path

from speech_emotion.errors import UserError, exit_status
from speech_emotion.params import PARAMS_FILE, load_params
from speech_emotion.steps.driver import NAMES, execute, load_step
from speech_emotion.tracking.journal import JournalRecorder
from speech_emotion.tracking.watching import watched

JOURNALS = Path("artifacts/journals")


def _port(text: str) -> tuple[str, Path]:
    name, separator, path = text.partition("=")
    if not separator or not name or not path:
        raise argparse.ArgumentTypeError(f"{text!r}: must be PORT=FOLDER")
    return name, Path(path)


def _part(text: str) -> tuple[int, int]:
    number, separator, count = text.partition("/")
    if not (separator and number.isdecimal() and count.isdecimal()):
        raise UserError(f"part = {text}: must be K/N with K from 1 to N, e.g. 2/4")
    return int(number), int(count)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m speech_emotion.steps", description="Runs one step of the graph.")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--system", help="which system, for steps with one instance per system")
    parser.add_argument("--each", metavar="NAME", help="one recipe or feature, for steps that process them separately")
    parser.add_argument(
        "--part", default="1/1", metavar="K/N", help="process only the K-th of N ranges of the utterances"
    )
    parser.add_argument("--params", default=str(PARAMS_FILE), help="params file (default: %(default)s)")
    parser.add_argument("--input", type=_port, action="append", default=[], metavar="PORT=FOLDER")
    parser.add_argument("--output", type=_port, action="append", default=[], metavar="PORT=FOLDER")
    options = parser.parse_args(arguments)
    return exit_status(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    part = _part(options.part)
    params = load_params(options.params)
    recorder = JournalRecorder(JOURNALS, params.track.sample_seconds)
    with watched(recorder, params.track):
        execute(
            load_step(options.name),
            params,
            options.system,
            dict(options.input),
            dict(options.output),
            recorder,
            part=part,
            each=options.each,
        )


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # ends as cleanly as Ctrl-C
    sys.exit(main())
