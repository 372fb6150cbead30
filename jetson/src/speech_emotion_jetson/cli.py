"""The command line: `python -m speech_emotion_jetson BUNDLE COMMAND ...`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Sequence

from speech_emotion_jetson import __version__, commands
from speech_emotion_jetson.backends import BACKENDS
from speech_emotion_jetson.bundle import Bundle, opened
from speech_emotion_jetson.errors import UserError
from speech_emotion_jetson.recogniser import HALF_LIFE, Recogniser
from speech_emotion_jetson.report import FORMS, ROWS
from speech_emotion_jetson.timing import measure
from speech_emotion_jetson.timing import shown as timed
from speech_emotion_jetson.wav import WIDTHS


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status; a UserError is one line on standard error, without a traceback.

    Args:
        arguments: of the command line; None takes sys.argv's.
    """
    options = _parser().parse_args(arguments)
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        with opened(options.bundle, options.trust) as bundle:
            return _run(bundle, options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # a reader such as `head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Stopped:
        return 0
    except KeyboardInterrupt:
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)


class Stopped(BaseException):
    """SIGTERM; not an Exception, which a server would report and then continue."""


def _stop(*_: Any) -> None:
    raise Stopped


def _run(bundle: Bundle, options: argparse.Namespace) -> int:
    if options.command == "show":
        _show(bundle)
        return 0
    recogniser = Recogniser.load(
        bundle,
        options.variant,
        options.backend,
        options.threads,
        half_life=options.smooth,
        detect_ood=options.detect_ood,
    )
    with closing(recogniser.backend):
        if options.command == "file":
            commands.answer_files(recogniser, options.paths, options.format, options.rows, options.output)
        elif options.command == "folder":
            found = commands.audio_below(options.path)
            commands.answer_files(recogniser, found, options.format, options.rows, options.output)
        elif options.command == "time":
            found = {"variant": bundle.variant(options.variant).name, "threads": options.threads}
            found.update(measure(recogniser, options.paths, options.repeat))
            print(json.dumps(found) if options.json else timed(found))
        elif options.command == "stream":
            commands.answer_stream(recogniser, options.rate, options.channels, options.encoding, options.format)
        elif options.command == "mic":
            commands.answer_microphone(recogniser, options.device, options.rate, options.format, options.retries, _tell)
        else:
            from speech_emotion_jetson.serving import serve

            serve(recogniser, options, _tell)
    return 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _show(bundle: Bundle) -> None:
    window, hop = (value / bundle.sample_rate for value in (bundle.window_samples, bundle.hop_samples))
    print(f"{bundle.title}" + (f", from {bundle.source}" if bundle.source else ""))
    print(f"emotions: {', '.join(bundle.labels)}")
    print(f"windows: {window:.2f} s at {bundle.sample_rate} Hz, every {hop:.2f} s")
    print(f"licence of the training data: {', '.join(bundle.licences)}" + (" (synthetic)" if bundle.synthetic else ""))
    for variant in bundle.variants.values():
        mark = " (default)" if variant.name == bundle.default else ""
        print(f"{variant.name}: {variant.path.stat().st_size / 1e6:.1f} MB, {variant.description}{mark}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="speech_emotion_jetson", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("bundle", type=Path, help="a device bundle: its folder or its .tar.gz")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    check = argparse.ArgumentParser(add_help=False)
    check.add_argument("--trust", type=Path, help="file of public keys; one of them must have signed the bundle")
    model = argparse.ArgumentParser(add_help=False, parents=[check])
    model.add_argument("--variant", help="form of the model; `show` lists them")
    model.add_argument("--backend", choices=BACKENDS, default="auto", help="auto: an engine if one was built, else cpu")
    model.add_argument("--threads", type=int, default=1, help="CPU threads (1)")
    model.add_argument(
        "--smooth", type=_seconds, default=HALF_LIFE, help=f"half-life of smoothing over time, seconds ({HALF_LIFE:g})"
    )
    model.add_argument(
        "--no-ood",
        dest="detect_ood",
        action="store_false",
        help="no warning for speech unlike the training speech (out of distribution); saves time",
    )
    written = argparse.ArgumentParser(add_help=False)
    written.add_argument("--format", choices=FORMS, default="table")
    whole = argparse.ArgumentParser(add_help=False, parents=[written])
    whole.add_argument(
        "--rows", choices=ROWS, default="files", help="one row for each file, window, or segment of one emotion"
    )
    whole.add_argument("--output", type=Path, help="file, written whole or not at all")

    subparsers.add_parser("show", parents=[check], help="verify the bundle and list what it holds")
    one = subparsers.add_parser("file", parents=[model, whole], help="answer for files")
    one.add_argument("paths", type=Path, nargs="+", metavar="FILE")
    many = subparsers.add_parser("folder", parents=[model, whole], help="answer for all audio files of a folder")
    many.add_argument("path", type=Path, metavar="FOLDER")
    clock = subparsers.add_parser("time", parents=[model], help="measure time and memory of answers on this device")
    clock.add_argument("paths", type=Path, nargs="+", metavar="FILE")
    clock.add_argument("--repeat", type=int, default=100, help="runs on each recording (100)")
    clock.add_argument("--json", action="store_true", help="one line for programs")
    stream = subparsers.add_parser("stream", parents=[model, written], help="answer for raw samples on standard input")
    stream.add_argument("--rate", type=int, default=16000, help="Hz (16000)")
    stream.add_argument("--channels", type=int, default=1, help="interleaved (1)")
    stream.add_argument("--encoding", choices=sorted(WIDTHS), default="s16", help="little-endian (s16)")
    microphone = subparsers.add_parser("mic", parents=[model, written], help="answer for a live microphone (arecord)")
    microphone.add_argument("--device", default="default", help="as `arecord -L` lists them")
    microphone.add_argument("--rate", type=int, default=16000, help="Hz (16000)")
    microphone.add_argument("--retries", type=int, help="attempts in a row to open it (default: no limit)")
    page = subparsers.add_parser("serve", parents=[model], help="a web page on this device")
    page.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 lets other devices in")
    page.add_argument("--port", type=int, default=8765)
    page.add_argument("--name", action="append", default=[], help="another host name of this device; may be repeated")
    page.add_argument("--samples", type=Path, help="folder of recordings to offer (default: the bundle's own)")
    page.add_argument("--tls", action="store_true", help="HTTPS; browsers allow the microphone only then")
    page.add_argument("--certificate", type=Path, help="PEM file (default: openssl makes one, which is kept)")
    page.add_argument("--key", type=Path, help="PEM file of the certificate's key")
    page.add_argument("--max-megabytes", type=float, default=64, help="largest upload (64)")
    page.add_argument("--max-seconds", type=float, default=600, help="longest upload (600)")
    page.add_argument("--queue", type=int, default=4, help="requests that may wait for the model (4)")
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 3600:
        raise argparse.ArgumentTypeError("must be within 0 and 3600")
    return value
