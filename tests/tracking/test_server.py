"""MLflow's server on a real PostgreSQL and an S3-compatible store, with the settings of mlflow/compose.yaml."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
import requests

from made_up_models import PARAMS, QUIET, alike, newcomer, two_at_once
from speech_emotion.errors import UserError
from speech_emotion.recorder import Recorder
from speech_emotion.tracking.connection import open_store
from speech_emotion.tracking.contents import read_entries
from speech_emotion.tracking.mirror import mirror
from speech_emotion.tracking.models import models_of
from speech_emotion.tracking.registry import promote, register
from speech_emotion.tracking.versions import read_state
from tracking_servers import Tracking, tracking_servers

USERS = {"ann": "a-password-of-ann", "bob": "a-password-of-bob"}
EXPERIMENT = "speech-emotion"
SYSTEMS = ["k2", "t2"]
LEASE = 600.0  # seconds: each request costs a password check


@pytest.fixture(scope="module")
def tracking() -> Iterator[Tracking]:
    """All servers running, with two users who are not administrators."""
    with tempfile.TemporaryDirectory(prefix="tracking-") as folder, tracking_servers(Path(folder)) as servers:
        servers.start("storage", "server")
        for name, password in USERS.items():
            servers.add_user(name, password)
        yield servers


@pytest.fixture(autouse=True)
def user(monkeypatch):
    """Sets the user of the client; by default ann, None for no user."""

    def call_as(name: str | None, password: str | None = None) -> None:
        for variable in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"):
            monkeypatch.delenv(variable, raising=False)
        if name:
            monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
            monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password or USERS[name])

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    call_as("ann")
    return call_as


@pytest.fixture
def tracked(tracking, exported) -> dict[str, bytes]:
    """Writes the results of two systems to the server; returns the objects of the bucket."""
    with open_store(tracking.uri, EXPERIMENT) as store:
        mirror(store, read_entries(exported, SYSTEMS), LEASE, Recorder(quiet=True))
    return tracking.contents()


def refused(uri: str) -> str:
    with pytest.raises(UserError) as error, open_store(uri, EXPERIMENT):
        pass
    return str(error.value)


def test_access_without_a_password_is_refused(tracking, user):
    user(None)
    assert "asks for a password: export MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in refused(tracking.uri)
    assert requests.get(f"{tracking.uri}/", timeout=30).status_code == 401


def test_a_wrong_password_is_refused_and_not_shown(tracking, user):
    user("ann", "shouted-loudly")
    message = refused(tracking.uri)
    assert "refuses user ann with this password" in message
    assert "shouted" not in message


def test_the_default_password_of_older_servers_is_refused(tracking, user):
    user("admin", "password1234")
    assert "refuses user admin" in refused(tracking.uri)


def test_a_host_name_that_is_not_allowed_is_refused_with_the_cure(tracking):
    other = tracking.uri.replace("localhost", "127.1")  # the same machine
    name = other.removeprefix("http://")
    assert f"refuses requests for the host name {name} (403): add {name} to its allowed hosts" in refused(other)


def test_another_service_at_the_port_is_no_mlflow_server(tracking):
    assert "not an MLflow server: correct host and port" in refused(f"http://localhost:{tracking.storage_port}")


def test_a_users_results_are_mirrored_only_once(tracking, exported):
    entries = list(read_entries(exported, SYSTEMS))
    with open_store(tracking.uri, "mirrored") as store:
        made = mirror(store, entries, LEASE, Recorder(quiet=True))
        again = mirror(store, entries, LEASE, Recorder(quiet=True))
    assert made.made > 0
    assert (again.made, again.updated, again.removed, again.found) == (0, 0, 0, made.made)


def test_runs_are_in_postgresql_and_artifacts_in_the_bucket(tracking, tracked, exported):
    runs = tracking.query("mlflow", "SELECT count(*) FROM runs WHERE lifecycle_stage = 'active'")[0][0]
    assert runs >= 2 * len(SYSTEMS)
    roots = {row[0] for row in tracking.query("mlflow", "SELECT artifact_uri FROM runs")}
    assert all(root.startswith("mlflow-artifacts:/") for root in roots)
    model = (exported.exported / "fp32.onnx").read_bytes()
    assert hashlib.sha256(model).digest() in {hashlib.sha256(content).digest() for content in tracked.values()}


def test_users_are_in_a_database_of_their_own(tracking):
    users = {row[0] for row in tracking.query("mlflow_auth", "SELECT username FROM users")}
    assert users == {"admin", *USERS}
    assert not tracking.query("mlflow", "SELECT FROM pg_tables WHERE tablename = 'users'")


def test_the_store_refuses_another_secret(tracking, tracked):
    with pytest.raises(Exception, match=r"SignatureDoesNotMatch|AccessDenied|Forbidden|403"):
        list(tracking.bucket(secret="another").objects.all())


def test_a_model_is_registered_given_an_alias_and_read_back(tracking, tracked, tmp_path):
    with open_store(tracking.uri, EXPERIMENT) as store:
        (run,) = store.client.search_runs([store.experiment], "tags.kind = 'model'")
        (logged,) = models_of(store, run.info.run_id)
        store.client.create_registered_model("by-hand")
        version = store.client.create_model_version(
            "by-hand", logged.model_uri, run.info.run_id, model_id=logged.model_id
        )
        store.client.set_registered_model_alias("by-hand", "champion", version.version)
        path = mlflow.artifacts.download_artifacts("models:/by-hand@champion", dst_path=str(tmp_path))
    assert (Path(path) / "MLmodel").is_file()
    assert tracking.query("mlflow", "SELECT alias FROM registered_model_aliases WHERE name = 'by-hand'") == [
        ("champion",)
    ]


def test_two_users_who_register_at_once_do_not_corrupt_the_registry(tracking, tmp_path):
    users = [
        {"MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": password} for name, password in USERS.items()
    ]
    two_at_once(tracking.uri, tmp_path, rounds=1, users=users)  # each request costs a password check


def test_a_second_user_may_log_runs_but_not_delete_those_of_the_first(tracking, tracked, user):
    user("bob")
    with open_store(tracking.uri, EXPERIMENT) as store:
        store.client.create_run(store.experiment, run_name="of bob")
        (run,) = store.client.search_runs([store.experiment], "tags.kind = 'model'")
    with (
        pytest.raises(UserError, match=r"user bob may not do this .*ask an administrator"),
        open_store(tracking.uri, EXPERIMENT) as store,
    ):
        store.client.delete_run(run.info.run_id)


def test_a_second_user_promotes_the_challenger_of_the_first(tracking, tmp_path, user):
    with open_store(tracking.uri, EXPERIMENT) as store:
        registry = PARAMS.model_copy(update={"name": "of-ann"})
        for key, ua in (("a", 70.0), ("b", 69.0)):
            register(store, registry, newcomer(store, tmp_path, key, ua=ua), lambda version: alike(1.0), QUIET)
    user("bob")
    with open_store(tracking.uri, EXPERIMENT) as store:
        promote(store, registry, 2, "quieter", QUIET)
        now = read_state(store, "of-ann")
    assert (now.champion, now.challenger) == (2, None)
    assert (now.history[-1].how, now.history[-1].reason) == ("promoted", "quieter")


def test_a_store_of_artifacts_that_is_down_is_named(tracking):
    tracking.stop("storage")
    try:
        with (
            pytest.raises(UserError, match=r"cannot reach its store of artifacts .*start the S3 store"),
            open_store(tracking.uri, EXPERIMENT) as store,
        ):
            run = store.client.create_run(store.experiment)
            store.client.log_text(run.info.run_id, "text", "note.txt")
    finally:
        tracking.start("storage")


def test_a_database_that_is_down_is_named(tracking):
    for allowed in ("false", "true"):
        for name in ("mlflow", "mlflow_auth"):
            tracking.query("postgres", f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}")
        if allowed == "false":
            tracking.query(
                "postgres",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('mlflow', 'mlflow_auth')",
            )
            message = refused(tracking.uri)
    assert "is its database running?" in message


def test_backup_wiped_servers_and_restore(tracking, tracked, tmp_path, exported):
    finished = tracking.script("backup", tmp_path / "backups")
    assert finished.returncode == 0, finished.stderr
    (backup,) = (tmp_path / "backups").iterdir()

    runs = "SELECT run_uuid, name, lifecycle_stage FROM runs ORDER BY run_uuid"
    before = tracking.query("mlflow", runs), tracking.query("mlflow_auth", "SELECT * FROM users ORDER BY id")

    refusal = tracking.script("restore", backup)
    assert refusal.returncode == 1
    assert "error: the server holds runs and artifacts: they would be replaced" in refusal.stderr
    refusal = tracking.script("restore", "--force", backup)
    assert refusal.returncode == 1
    assert "connections are open: stop the MLflow server" in refusal.stderr

    tracking.stop("server")
    for name in ("mlflow", "mlflow_auth"):
        tracking.query("postgres", f"DROP DATABASE {name}")
    tracking.bucket().objects.all().delete()
    assert not tracking.contents()

    finished = tracking.script("restore", backup)
    assert finished.returncode == 0, finished.stderr
    tracking.start("server")
    assert (tracking.query("mlflow", runs), tracking.query("mlflow_auth", "SELECT * FROM users ORDER BY id")) == before
    assert tracking.contents() == tracked
    assert databases(tracking) == {"mlflow", "mlflow_auth"}
    entries = list(read_entries(exported, SYSTEMS))
    with open_store(tracking.uri, EXPERIMENT) as store:
        assert mirror(store, entries, LEASE, Recorder(quiet=True)).made == 0


def test_a_failed_restore_changes_nothing(tracking, tracked, tmp_path):
    assert tracking.script("backup", tmp_path / "backups").returncode == 0
    (backup,) = (tmp_path / "backups").iterdir()
    tracking.stop("server")
    tracking.bucket().put_object(Key="newer/note.txt", Body=b"made after the backup")
    before = tracking.contents()
    runs = tracking.query("mlflow", "SELECT * FROM runs ORDER BY run_uuid")
    try:
        for fault in (damaged, without_users, with_an_object_where_a_folder_is):
            spoilt = shutil.copytree(backup, tmp_path / fault.__name__)
            message = fault(spoilt)
            finished = tracking.script("restore", "--force", spoilt)
            assert finished.returncode == 1, fault
            assert message in finished.stderr
            assert tracking.contents() == before, fault
            assert tracking.query("mlflow", "SELECT * FROM runs ORDER BY run_uuid") == runs, fault
            assert databases(tracking) == {"mlflow", "mlflow_auth"}, fault
    finally:
        tracking.start("server")


def test_a_restore_stopped_during_the_exchange_is_complete(tracking, tracked, tmp_path, monkeypatch):
    assert tracking.script("backup", tmp_path / "backups").returncode == 0
    (backup,) = (tmp_path / "backups").iterdir()
    stopping = 'status=$?\ncase "$*" in *RENAME*) kill -TERM $PPID ;; esac\nexit $status\n'
    (tmp_path / "psql").write_text(f'#!/bin/sh\n{shutil.which("psql")} "$@"\n{stopping}')
    (tmp_path / "psql").chmod(0o755)
    monkeypatch.setitem(tracking.environment, "PATH", f"{tmp_path}:{tracking.environment['PATH']}")
    tracking.stop("server")
    tracking.bucket().put_object(Key="newer/note.txt", Body=b"made after the backup")
    tracking.query("mlflow", "CREATE TABLE made_after_the_backup ()")
    try:
        finished = tracking.script("restore", "--force", backup)
        assert finished.returncode == 0, finished.stderr
        assert tracking.contents() == tracked
        assert not tracking.query("mlflow", "SELECT FROM pg_tables WHERE tablename = 'made_after_the_backup'")
        assert databases(tracking) == {"mlflow", "mlflow_auth"}
    finally:
        tracking.start("server")


def test_a_failed_backup_leaves_no_files(tracking, tmp_path):
    tracking.stop("storage")
    try:
        finished = tracking.script("backup", tmp_path / "backups")
    finally:
        tracking.start("storage")
    assert finished.returncode == 1
    assert "error: the store: does not answer" in finished.stderr
    assert not list((tmp_path / "backups").iterdir())


def databases(tracking: Tracking) -> set[str]:
    return {
        row[0] for row in tracking.query("postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'mlflow%'")
    }


def damaged(backup: Path) -> str:
    """Flips a bit of the backup."""
    path = backup / "mlflow.dump"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return "files differ from their checksums"


def without_users(backup: Path) -> str:
    """Makes the second database unreadable, with a correct checksum."""
    (backup / "mlflow_auth.dump").write_bytes(b"PGDMP and nothing else")
    write_sums(backup)
    return "mlflow_auth: could not be restored (above): nothing was changed"


def with_an_object_where_a_folder_is(backup: Path) -> str:
    """Adds an object that the store cannot accept."""
    first = min((backup / "objects").iterdir())
    shutil.rmtree(first)
    (backup / "objects" / "newer").write_text("an object by the name of a folder")
    write_sums(backup)
    return "the bucket: could not be filled (above): its earlier state is restored"


def write_sums(backup: Path) -> None:
    files = sorted(path for path in backup.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./{path.relative_to(backup)}\n" for path in files]
    (backup / "SHA256SUMS").write_text("".join(lines))
