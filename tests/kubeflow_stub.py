"""A stub of Kubeflow Pipelines' API: it answers kfp's client and stores what was sent, but runs nothing."""

import contextlib
import email
import email.policy
import json
import re
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

API = "/apis/v2beta1"


def task(name: str, state: str, **more: Any) -> dict[str, Any]:
    """A step's state in the API's form."""
    return {"task_id": f"id-{name}", "display_name": name, "state": state, **more}


def look(state: str, *tasks: dict[str, Any]) -> dict[str, Any]:
    """The states of a run and its steps in the API's form."""
    return {"state": state, "run_details": {"task_details": list(tasks)}}


@dataclass
class KubeflowStub:
    """The objects that were sent, and the answers.

    Attributes:
        looks: answers to successive requests for a run; the last one is repeated.
        logs: pod -> its output.
        refuse: (method, path) -> a status and a body in place of the answer, or None.
        conflicts: names of versions that the server has but does not list.
    """

    multi_user: bool = False
    url: str = ""
    token: str = ""
    pipelines: list[dict[str, Any]] = field(default_factory=list)
    versions: list[dict[str, Any]] = field(default_factory=list)
    experiments: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    recurring: list[dict[str, Any]] = field(default_factory=list)
    looks: list[dict[str, Any]] = field(default_factory=lambda: [{"state": "SUCCEEDED"}])
    logs: dict[str, str] = field(default_factory=dict)
    refuse: Callable[[str, str], tuple[int, str] | None] = lambda method, path: None
    conflicts: set[str] = field(default_factory=set)
    requests: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes, headers: Mapping[str, str]):
        """Status, content type and text of an answer."""
        self.requests.append((method, path, headers))
        if (refused := self.refuse(method, path)) is not None:
            status, text = refused
            kind = "text/html" if text.startswith("<") else "application/json"
            return status, kind, text
        if self.token and headers.get("Authorization") != f"Bearer {self.token}":
            return 401, "application/json", json.dumps({"error": "no valid token", "code": 16})
        if found := re.fullmatch(r"/apis/v1alpha1/runs/([^/]+)/nodes/([^/]+)/log", path):
            if found[2] in self.logs:
                return 200, "text/plain", self.logs[found[2]]
            return 500, "application/json", json.dumps({"error_message": "no such pod"})
        if not path.startswith(API):
            return 404, "application/json", json.dumps({"error": "Not Found", "code": 5})
        answered = self._api(method, path.removeprefix(API), query, body, headers)
        if answered is None:
            return 404, "application/json", json.dumps({"message": "Not Found", "code": 5})
        if answered.get("conflict"):
            return 409, "application/json", json.dumps({"error_message": "Failed to create a pipeline version"})
        return 200, "application/json", json.dumps(answered)

    def _api(self, method: str, path: str, query: dict[str, str], body: bytes, headers: Mapping[str, str]):
        given = json.loads(body) if body and "json" in headers.get("Content-Type", "") else {}
        match method, path:
            case "GET", "/healthz":
                return {"multi_user": self.multi_user}
            case "GET", "/pipelines":
                return {"pipelines": _named(self.pipelines, query)}
            case "POST", "/pipelines":
                return _added(self.pipelines, "pipeline_id", given)
            case "POST", "/pipelines/upload_version":
                return self._upload(query, _file(headers["Content-Type"], body))
            case "GET", "/experiments":
                return {"experiments": _named(self.experiments, query)}
            case "POST", "/experiments":
                return _added(self.experiments, "experiment_id", {"storage_state": "AVAILABLE", **given})
            case "POST", "/runs":
                return _added(self.runs, "run_id", given)
            case "GET", "/recurringruns":
                return {"recurringRuns": _named(self.recurring, query)}
            case "POST", "/recurringruns":
                return _added(self.recurring, "recurring_run_id", given)
        if found := re.fullmatch(r"/pipelines/([^/]+)/versions", path):
            return {"pipeline_versions": [one for one in self.versions if one["pipeline_id"] == found[1]]}
        if found := re.fullmatch(r"/experiments/([^/]+):unarchive", path):
            one = next(one for one in self.experiments if one["experiment_id"] == found[1])
            one["storage_state"] = "AVAILABLE"
            return {}
        if (found := re.fullmatch(r"/recurringruns/([^/]+)", path)) and method == "DELETE":
            self.recurring = [one for one in self.recurring if one["recurring_run_id"] != found[1]]
            return {}
        if (found := re.fullmatch(r"/runs/([^/]+)", path)) and method == "GET":
            look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
            return {"run_id": found[1], **look}
        return None

    def _upload(self, query: dict[str, str], text: str) -> dict[str, Any]:
        name, pipeline = query["name"], query["pipelineid"]
        taken = {one["display_name"] for one in self.versions if one["pipeline_id"] == pipeline} | self.conflicts
        if name in taken:
            return {"conflict": True}
        version = {"pipeline_id": pipeline, "display_name": name, "name": name}
        added = _added(self.versions, "pipeline_version_id", version)
        self.versions[-1]["documents"] = list(yaml.safe_load_all(text))
        return added


def _added(store: list[dict[str, Any]], key: str, given: dict[str, Any]) -> dict[str, Any]:
    made = {key: f"{key.removesuffix('_id')}-{len(store) + 1}", **given}
    store.append(made)
    return dict(made)


def _named(store: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
    wanted = json.loads(query["filter"])["predicates"][0]["stringValue"] if "filter" in query else None
    return [one for one in store if wanted is None or one.get("display_name") == wanted]


def _file(content_type: str, body: bytes) -> str:
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.message_from_bytes(head + body, policy=email.policy.default)
    (part,) = message.iter_parts()
    return part.get_payload(decode=True).decode()


def self_signed(folder: Path) -> Path:
    """A file with a key and a self-signed certificate for 127.0.0.1."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    certificate.write_text(certificate.read_text() + key.read_text())
    return certificate


@contextlib.contextmanager
def kubeflow_stub(certificate: Path | None = None, **options: Any) -> Iterator[KubeflowStub]:
    """Serves the stub on a free port of 127.0.0.1 during the block; over TLS with a certificate and its key."""
    stub = KubeflowStub(**options)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            headers = {name.title(): value for name, value in self.headers.items()}
            status, kind, text = stub.answer(self.command, parts.path, query, body, headers)
            content = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _serve

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # of a client that hangs up
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    stub.url = f"{'http' if certificate is None else 'https'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
