"""The command `serve`: the page on this device, until it is stopped."""

from __future__ import annotations

import argparse
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

from speech_emotion_jetson.commands import audio_below
from speech_emotion_jetson.errors import UserError
from speech_emotion_jetson.gate import Gate
from speech_emotion_jetson.handler import Handler, Service
from speech_emotion_jetson.recogniser import Recogniser
from speech_emotion_jetson.tls import fingerprint, own_certificate, secure_context
from speech_emotion_jetson.web import WebServer

MOST_SAMPLES = 60
# A note for the samples of a bundle.
SYNTHESISED = "Synthesised voices, each made to sound like the emotion in its name. These are not real speakers."
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(recogniser: Recogniser, options: argparse.Namespace, tell: Callable[[str], None]) -> None:
    """Serves the page until interrupted.

    Args:
        recogniser: a loaded model.
        options: of the command line.
        tell: prints a line: the page's address, and errors.

    Raises:
        UserError: an option is invalid, or the port is in use.
    """
    with page(recogniser, options, tell) as server:
        server.serve_forever()


@contextmanager
def page(recogniser: Recogniser, options: argparse.Namespace, tell: Callable[[str], None]) -> Iterator[WebServer]:
    """The page's server, bound and ready to serve; arguments and errors are as for `serve`."""
    for name, least, most in (("max_megabytes", 0.001, 4096), ("max_seconds", 0.1, 86400), ("queue", 0, 1000)):
        if not least <= getattr(options, name) <= most:
            shown = name.replace("_", "-")
            raise UserError(f"--{shown} = {getattr(options, name)}: must be within {least} and {most}")
    names = list(dict.fromkeys(["localhost", *_own_names(options.host), *options.name]))
    service = Service(
        recogniser=recogniser,
        samples=_samples(recogniser, options.samples),
        samples_note=SYNTHESISED if options.samples is None else "",
        hosts=frozenset(name.lower() for name in names),
        max_bytes=round(options.max_megabytes * 1e6),
        max_seconds=options.max_seconds,
        gate=Gate(options.queue),
        tell=tell,
    )
    context = None
    if options.certificate or options.key or options.tls:
        if bool(options.certificate) != bool(options.key):
            raise UserError("--certificate, --key: belong together: give both, or only --tls")
        pair = (options.certificate, options.key) if options.key else own_certificate(names)
        context = secure_context(*pair)
        tell(f"certificate {pair[0]}: SHA-256 {fingerprint(pair[0])}")
    handler = type("PageHandler", (Handler,), {"service": service})
    try:
        server = WebServer((options.host, options.port), handler, context, tell)
    except (OSError, OverflowError) as error:
        raise UserError(f"--host = {options.host}, --port = {options.port}: {error}: choose another") from None
    with server:
        scheme, port = "https" if context else "http", server.server_port
        shown = names if options.host in ("0.0.0.0", "::") else [options.host]
        for name in shown:
            tell(f"page: {scheme}://{f'[{name}]' if ':' in name else name}:{port}/")
        if context is None and options.host not in LOOPBACK:
            tell("page: browsers on other devices do not allow it the microphone: start it with --tls")
        yield server


def _own_names(host: str) -> list[str]:
    """Host names and addresses under which browsers reach this device."""
    if host in LOOPBACK:
        return ["127.0.0.1"]
    if host not in ("0.0.0.0", "::"):
        return [host]
    own = socket.gethostname()
    return [own, f"{own}.local", *_own_addresses()]


def _own_addresses() -> list[str]:
    """This device's address towards other networks, if it has one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address reserved for documentation (RFC 5737)
            return [probe.getsockname()[0]]
        except OSError:
            return []


def _samples(recogniser: Recogniser, folder: Path | None) -> dict[str, Path]:
    paths = recogniser.bundle.samples if folder is None else audio_below(folder)[:MOST_SAMPLES]
    return {str(place): path for place, path in enumerate(paths, 1)}
