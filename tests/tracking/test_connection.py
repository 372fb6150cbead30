import shutil
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mlflow
import pytest

from speech_emotion.errors import UserError
from speech_emotion.tracking import connection
from speech_emotion.tracking.connection import open_store
from speech_emotion_jetson.tls import own_certificate

ROOT = Path(__file__).parents[2]


def test_artifacts_are_beside_the_database_and_nothing_else_is_written(new_database, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    new_database("own.db")
    with open_store("sqlite:///own.db", "mine") as store:
        run = store.client.create_run(store.experiment)
        store.client.log_text(run.info.run_id, "text", "note.txt")
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["mlartifacts", "own.db"]
    assert (tmp_path / "mlartifacts" / run.info.run_id / "artifacts" / "note.txt").is_file()


def test_a_deleted_experiment_is_restored(new_database):
    uri = new_database()
    with open_store(uri, "mine") as store:
        store.client.delete_experiment(store.experiment)
    with open_store(uri, "mine") as again:
        assert again.experiment == store.experiment
        assert again.client.get_experiment(again.experiment).lifecycle_stage == "active"


def test_the_librarys_global_setting_is_restored(new_database):
    before = mlflow.get_tracking_uri()
    with open_store(new_database(), "mine"):
        assert mlflow.get_tracking_uri() != before
    assert mlflow.get_tracking_uri() == before


def test_an_unreachable_server_is_reported_at_once_with_the_cure():
    with pytest.raises(UserError, match=r"no answer.*start the server"), open_store("http://127.0.0.1:9", "mine"):
        pass


class _Healthy(BaseHTTPRequestHandler):
    """Answers the probe like an MLflow server."""

    def do_GET(self):
        content = b"OK" if self.path == "/health" else b"{}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def behind_tls(tmp_path):
    """A server with a self-signed certificate: its address and the certificate."""
    certificate, key = own_certificate(["localhost"], tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Healthy) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://localhost:{server.server_port}", certificate
        server.shutdown()
        thread.join()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_a_certificate_of_a_private_authority_is_trusted_if_it_is_named(behind_tls, monkeypatch):
    uri, certificate = behind_tls
    with pytest.raises(UserError, match=r"its certificate is not trusted .*MLFLOW_TRACKING_SERVER_CERT_PATH"):
        connection._probe(uri, uri)
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificate))
    connection._probe(uri, uri)


def test_missing_folder_is_named(tmp_path):
    with (
        pytest.raises(UserError, match=r"there is no folder .*absent"),
        open_store(f"sqlite:///{tmp_path}/absent/mlflow.db", "mine"),
    ):
        pass


def test_a_file_that_is_not_a_database_is_refused_and_kept(tmp_path):
    path = tmp_path / "mlflow.db"
    path.write_text("a letter, and no database")
    with pytest.raises(UserError, match="is not a SQLite database"), open_store(f"sqlite:///{path}", "mine"):
        pass
    assert path.read_text() == "a letter, and no database"


def test_password_is_not_shown():
    with pytest.raises(UserError) as error, open_store("postgresql://me:secret@127.0.0.1:9/mlflow", "mine"):
        pass
    assert "secret" not in str(error.value)
    assert "me:***@127.0.0.1" in str(error.value)


def test_a_failure_of_the_store_names_the_cure(new_database):
    with (
        pytest.raises(UserError, match=r"track\.uri = sqlite:.*repair the store"),
        open_store(new_database(), "mine") as store,
    ):
        store.client.get_run("0" * 32)


def test_import_mlflow_from_the_top_folder_is_the_library():
    code = "import importlib.util as u; print(u.find_spec('mlflow').origin)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    origin = Path(found.stdout.strip())
    assert origin == Path(mlflow.__file__)
    assert ROOT / "mlflow" not in origin.parents
    assert not list((ROOT / "mlflow").rglob("*.py"))
