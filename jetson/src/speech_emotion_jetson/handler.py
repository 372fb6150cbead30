"""HTTP requests of the page: its own files, the samples, and recordings to analyse."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping
from urllib.parse import urlsplit

from speech_emotion_jetson import __version__
from speech_emotion_jetson.analysis import analyse
from speech_emotion_jetson.errors import AudioFault, UserError
from speech_emotion_jetson.gate import Busy, Gate
from speech_emotion_jetson.reading import ENDINGS, formats
from speech_emotion_jetson.recogniser import Recogniser
from speech_emotion_jetson.report import shown
from speech_emotion_jetson.web import HEADER_SECONDS, SILENCE_SECONDS, is_gone

FILES = {  # path -> file of page/ and its type; nothing else is served
    "/": ("index.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/draw.js": ("draw.js", "text/javascript; charset=utf-8"),
    "/sound.js": ("sound.js", "text/javascript; charset=utf-8"),
    "/recorder.js": ("recorder.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Connection": "close",
}
SAMPLES = "/api/samples/"
UPLOAD_SECONDS = 120.0  # within which an upload must be complete
RETRY_SECONDS = 2
BLOCK = 1 << 16
LINGER_BYTES, LINGER_SECONDS = (
    8 << 20,
    2.0,
)  # of a refused upload that is still read, so that the client sees the answer
_NAME = re.compile(r"[\w-]+(\.[\w-]+)*", re.ASCII)


class Gone(Exception):
    """The client has closed the connection."""


@dataclass(frozen=True)
class Service:
    """What the handler needs to answer requests.

    Attributes:
        recogniser: a loaded model.
        samples: id -> recording to try.
        samples_note: what the samples are, for people.
        hosts: host names of this device that requests may use; IP addresses are always accepted.
        max_bytes: largest upload.
        max_seconds: longest audio of an upload.
        gate: the queue for the model.
        tell: prints a line about an error.
    """

    recogniser: Recogniser
    samples: Mapping[str, Path]
    samples_note: str
    hosts: frozenset[str]
    max_bytes: int
    max_seconds: float
    gate: Gate
    tell: Callable[[str], None]


class Handler(BaseHTTPRequestHandler):
    """Answers one request per connection; `service` is set in a subclass."""

    service: Service
    protocol_version = "HTTP/1.1"
    server_version, sys_version = f"speech-emotion-jetson/{__version__}", ""
    timeout = SILENCE_SECONDS
    _begun = False

    def setup(self) -> None:
        super().setup()
        self._deadline = threading.Timer(HEADER_SECONDS, self._shut)
        self._deadline.daemon = True
        self._deadline.start()

    def finish(self) -> None:
        self._deadline.cancel()
        super().finish()

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        self._deadline.cancel()
        self.close_connection = True
        return parsed

    def log_message(self, *_: Any) -> None:
        """Logs no requests, for privacy."""

    def do_GET(self) -> None:
        if not self._admitted():
            return
        path = urlsplit(self.path).path
        try:
            self._give(path)
        except Exception as error:  # such as a missing file of the package; the server keeps running
            self.service.tell(f"page: {type(error).__name__}: {error}")
            self._refuse(500, "the page failed: look at the device's own messages")

    do_HEAD = do_GET  # `_send` leaves the body out

    def _give(self, path: str) -> None:
        """Answers a GET request of this path."""
        if path in FILES:
            name, kind = FILES[path]
            self._send(200, Path(__file__).with_name("page").joinpath(name).read_bytes(), kind)
        elif path == "/api/model":
            self._json(200, self._model())
        elif path == "/api/health":
            self._json(200, {"status": "ok"})
        elif path.startswith(SAMPLES) and path[len(SAMPLES) :] in self.service.samples:
            self._send_file(self.service.samples[path[len(SAMPLES) :]])
        else:
            self._refuse(404, "no such page")

    def do_POST(self) -> None:
        if not self._admitted():
            return
        address = urlsplit(self.path)
        if address.path != "/api/analyse":
            self._refuse(404, "no such page")
            return
        try:
            with self.service.gate.place(), self._uploaded() as path, self.service.gate.turn(self._wanted):
                self._answer(path, brief=address.query == "brief")
        except Busy:
            self._refuse(503, "the model is busy with other requests: try again", {"Retry-After": str(RETRY_SECONDS)})
        except Refused as refused:
            self._refuse(refused.status, refused.reason)
        except AudioFault as fault:
            self._refuse(422, fault.detail, reason=fault.reason)
        except UserError as error:
            self._refuse(422, str(error))
        except Gone:
            pass
        except Exception as error:  # any exception of a backend; the server keeps running
            self.service.tell(f"page: {type(error).__name__}: {error}")
            self._refuse(500, "the model failed: look at the device's own messages")

    def _answer(self, path: Path, brief: bool) -> None:
        """Sends the parts of the answer as JSON lines, each as soon as it is ready."""
        service = self.service
        parts = analyse(service.recogniser, path, service.max_seconds, self._wanted, brief)
        for place, part in enumerate(parts):
            content = json.dumps(part, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n"
            try:
                if place == 0:
                    self._head(200, "application/x-ndjson; charset=utf-8", {})
                self.wfile.write(content)
            except OSError:
                raise Gone from None

    def _model(self) -> dict[str, Any]:
        bundle = self.service.recogniser.bundle
        samples = {id: Path(shown(path)).stem.replace("-", " ") for id, path in self.service.samples.items()}
        return {
            "title": bundle.title,
            "source": bundle.source,
            "synthetic": bundle.synthetic,
            "licences": bundle.licences,
            "labels": bundle.labels,
            "backend": self.service.recogniser.backend.name,
            "sample_rate": bundle.sample_rate,
            "window_seconds": bundle.window_samples / bundle.sample_rate,
            "hop_seconds": bundle.hop_samples / bundle.sample_rate,
            "formats": [ending for ending, kind in ENDINGS.items() if kind in formats()],
            "max_bytes": self.service.max_bytes,
            "max_seconds": self.service.max_seconds,
            "samples": [{"id": id, "name": name} for id, name in samples.items()],
            "samples_note": self.service.samples_note,
            "version": __version__,
        }

    def _admitted(self) -> bool:
        """Whether the request is addressed to this device and comes from its own page; refuses it otherwise.

        By DNS rebinding, another site's page can make a browser send requests here under a host name of that site; it
        cannot use this device's host names or IP addresses.
        """
        host = self.headers.get("Host", "")
        if _host_name(host) not in self.service.hosts and not _is_address(host):
            self._refuse(421, "this device does not have this name: start it with --name NAME")
            return False
        origin = self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            self._refuse(403, "requests from other sites are refused")
            return False
        return True

    @contextmanager
    def _uploaded(self) -> Iterator[Path]:
        """The request's body as a temporary file, which is removed after the `with` block; raises Refused or Gone."""
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            raise Refused(411, "the length of the recording is missing") from None
        if length <= 0:
            raise Refused(400, "the recording is empty")
        if length > self.service.max_bytes:
            raise Refused(413, f"the recording is larger than {self.service.max_bytes / 1e6:g} MB")
        ending = Path(self.headers.get("X-File-Name", "upload.wav")).suffix.lower()
        if ending not in ENDINGS:
            raise Refused(415, f"the extension {ending[:8]!r} is none of {', '.join(ENDINGS)}")
        until = time.monotonic() + UPLOAD_SECONDS
        with tempfile.NamedTemporaryFile(prefix="speech-emotion-", suffix=ending) as file:
            left = length
            while left:
                if time.monotonic() > until:
                    raise Refused(408, "the upload takes too long")
                try:
                    block = self.rfile.read1(min(BLOCK, left))
                except OSError:
                    raise Gone from None
                if not block:
                    raise Gone
                file.write(block)
                left -= len(block)
            file.flush()
            yield Path(file.name)

    def _wanted(self) -> None:
        """Raises Gone if the client has closed the connection."""
        if is_gone(self.connection):
            raise Gone

    def _refuse(self, status: int, text: str, headers: Mapping[str, str] | None = None, reason: str = "") -> None:
        if self._begun:  # part of the answer is sent: the client notices that the rest is missing
            return
        self._json(status, {"error": text, **({"reason": reason} if reason else {})}, headers)
        if self.command == "POST":
            self._linger()

    def _linger(self) -> None:
        """Reads on for a while: closing a connection with unread bytes may discard the answer on its way."""
        until, left = time.monotonic() + LINGER_SECONDS, LINGER_BYTES
        try:
            self.wfile.flush()
            self.connection.settimeout(0.2)
            while left > 0 and time.monotonic() < until:
                block = self.rfile.read1(BLOCK)
                if not block:
                    return
                left -= len(block)
        except OSError:
            return

    def _json(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        content = json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
        self._send(status, content, "application/json; charset=utf-8", headers)

    def _send(self, status: int, content: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
        try:
            self._head(status, kind, {"Content-Length": str(len(content)), **(headers or {})})
            if self.command != "HEAD":
                self.wfile.write(content)
        except OSError:  # the client went away
            self.close_connection = True

    def _send_file(self, path: Path) -> None:
        try:
            file = path.open("rb")
        except OSError:
            self._refuse(404, "this sample is no longer there")
            return
        with file, suppress(OSError):  # the client may go away
            length = {"Content-Length": str(os.fstat(file.fileno()).st_size)}
            self._head(200, f"audio/{path.suffix[1:].lower()}", length)
            if self.command != "HEAD":
                shutil.copyfileobj(file, self.wfile)

    def _head(self, status: int, kind: str, headers: Mapping[str, str]) -> None:
        self._begun = True
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _shut(self) -> None:
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


class Refused(Exception):
    """A request is refused.

    Attributes:
        status: HTTP status code.
        reason: a sentence.
    """

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status, self.reason = status, reason


def _host_name(host: str) -> str:
    """The name of a Host header without its port."""
    name = host.rsplit(":", 1)[0] if re.search(r":\d+$", host) else host
    return name.lower() if _NAME.fullmatch(name) else ""


def _is_address(host: str) -> bool:
    """Whether a Host header is an IP address, with or without a port."""
    name = re.sub(r":\d+$", "", host) if host.count(":") < 2 or "]" in host else host
    try:
        ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
    except ValueError:
        return False
    return True
