"""A web server that is robust against overload: bounded connections, time limits, and no access to the file system."""

from __future__ import annotations

import os
import socket
import socketserver
import ssl
import sys
import threading
from contextlib import suppress
from http.server import ThreadingHTTPServer
from typing import Any, Callable

CONNECTIONS = 24  # at a time; each has a thread
SILENCE_SECONDS = 15.0  # a connection that sends nothing for this long is closed
HEADER_SECONDS = 20.0  # within which the header of a request must be complete
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Type: application/json\r\nContent-Length: 46\r\n"
    b'Connection: close\r\n\r\n{"error": "too many connections: try again"}\r\n'
)


class WebServer(ThreadingHTTPServer):
    """Answers each connection in a thread of its own.

    Args:
        address: host and port; port 0 takes a free one.
        handler: class that handles requests.
        context: for HTTPS; None is HTTP.
        tell: prints a line about an error.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], handler: type, context: ssl.SSLContext | None, tell: Callable[[str], None]
    ):
        self._context, self._tell = context, tell
        self._room = threading.BoundedSemaphore(CONNECTIONS)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # HTTPServer looks up the host's full name here, which takes long if it has none.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        if self._context is None:
            request.setblocking(False)
            with suppress(OSError):
                request.send(REFUSAL)
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(SILENCE_SECONDS)
        if self._context is None:
            self.RequestHandlerClass(request, client_address, self)
            return
        # The handshake is done in this thread: in the accepting thread, a silent client would block all others.
        with self._context.wrap_socket(request, server_side=True) as secured:
            self.RequestHandlerClass(secured, client_address, self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, (OSError, ValueError)):  # clients that disconnected or do not speak HTTP
            self._tell(f"page: {client_address[0]}: {type(error).__name__}: {error}")


def is_gone(connection: socket.socket) -> bool:
    """Whether the client of a request that has been read has closed the connection."""
    try:
        # On the socket below TLS, since TLS sockets do not support MSG_PEEK.
        with socket.socket(fileno=os.dup(connection.fileno())) as plain:
            first = plain.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return first in (b"", b"\x15")  # end of the stream, or TLS's alert before it
