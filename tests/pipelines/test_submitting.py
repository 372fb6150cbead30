"""Submitting and scheduling against a stub of Kubeflow's API: the requests sent, and the output for the user."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from kubeflow_stub import API, kubeflow_stub, look, self_signed, task
from pipelines import following
from pipelines.submitting import Trigger, schedule, submit, version_base
from servers import free_port
from speech_emotion.errors import UserError

REVISION = "0123456789abcdef0123456789abcdef01234567"
NIGHTLY = Trigger.parse("0 3 * * *", None)


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch):
    monkeypatch.setattr(following, "SECONDS_BETWEEN_LOOKS", 0)


@pytest.fixture
def lines() -> list[str]:
    """The lines of output so far."""
    return []


@pytest.fixture
def go(compiled, settings, lines) -> Callable[..., int]:
    """Submits the small pipeline."""

    def gone(host: str, following: bool = True, revision: str | None = REVISION, image: str = "", **sections) -> int:
        pipeline = compiled(**({"image": image} if image else {}), **sections)
        return submit(pipeline, {"revision": "v1"}, settings(**sections), host, revision, following, lines.append)

    return gone


def _failing(go, host, **options) -> str:
    with pytest.raises(UserError) as caught:
        go(host, **options)
    return str(caught.value)


def test_the_compiled_pipeline_is_uploaded_with_its_kubernetes_part(stub, go, tmp_path):
    assert go(stub.url) == 0
    (version,) = stub.versions
    assert version["documents"] == list(yaml.safe_load_all((tmp_path / "one-step.yaml").read_text()))
    executor = version["documents"][1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-fetch"]
    assert "speech-emotion-git" in {secret["secretName"] for secret in executor["secretAsEnv"]}
    assert version["display_name"] == "0123456789ab"
    assert [one["display_name"] for one in stub.pipelines] == ["one-step"]
    assert stub.pipelines[0]["description"] == "Of the tests."


def test_a_run_has_its_version_experiment_and_arguments(stub, go, settings):
    sections = {
        "storage": {"pipeline_root": "s3://bucket/runs", "cache_claim": "", "cache_path": "/cache"},
        "service_account": "runner",
        "experiment": "emotion",
    }
    assert go(stub.url, **sections) == 0
    (run,) = stub.runs
    assert run["runtime_config"] == {"parameters": {"revision": "v1"}, "pipeline_root": "s3://bucket/runs"}
    assert run["pipeline_version_reference"] == {
        "pipeline_id": "pipeline-1",
        "pipeline_version_id": "pipeline_version-1",
    }
    assert run["experiment_id"] == "experiment-1" and stub.experiments[0]["display_name"] == "emotion"
    assert run["service_account"] == "runner"
    assert run["display_name"] == "one-step 0123456789ab"


def test_uploading_again_makes_a_new_version_of_the_same_pipeline_and_experiment(stub, go):
    for _ in range(3):
        go(stub.url, following=False)
    assert [one["display_name"] for one in stub.versions] == ["0123456789ab", "0123456789ab.2", "0123456789ab.3"]
    assert len(stub.pipelines) == 1 and len(stub.experiments) == 1
    used = [run["pipeline_version_reference"]["pipeline_version_id"] for run in stub.runs]
    assert used == ["pipeline_version-1", "pipeline_version-2", "pipeline_version-3"]


def test_a_name_that_another_upload_took_meanwhile_is_skipped(stub, go):
    stub.conflicts = {"0123456789ab"}
    go(stub.url, following=False)
    assert stub.versions[-1]["display_name"] == "0123456789ab.2"


def test_versions_are_named_by_revision_and_marked_if_it_is_dirty():
    assert version_base(REVISION) == "0123456789ab"
    assert version_base(f"{REVISION}-dirty") == "0123456789ab-dirty"
    assert version_base(None) == "unversioned"


def test_an_archived_experiment_is_restored(stub, go):
    stub.experiments.append({"experiment_id": "e", "display_name": "speech-emotion", "storage_state": "ARCHIVED"})
    go(stub.url, following=False)
    assert stub.experiments[0]["storage_state"] == "AVAILABLE" and stub.runs[0]["experiment_id"] == "e"


def test_changes_of_steps_are_shown_and_the_link_at_the_end(stub, go, lines):
    times = {"start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-01T00:00:12Z"}
    stub.looks = [
        {"state": "PENDING"},
        {
            "state": "RUNNING",
            "run_details": {"task_details": [task("fetch-driver", "SUCCEEDED"), task("root", "RUNNING")]},
        },
        {"state": "RUNNING", "run_details": {"task_details": [task("fetch", "RUNNING"), task("executor", "RUNNING")]}},
        {"state": "RUNNING", "run_details": {"task_details": [task("fetch", "RUNNING")]}},
        {"state": "SUCCEEDED", "run_details": {"task_details": [task("fetch", "SUCCEEDED", **times)]}},
    ]
    assert go(stub.url) == 0
    link = f"{stub.url}/#/runs/details/run-1"
    assert lines[-4:] == [f"run: {link}", "fetch: running", "fetch: succeeded (12 s)", f"run: succeeded: {link}"]


def test_a_failed_run_shows_the_steps_own_message_and_its_attempts(stub, go, lines):
    first = task("executor(0)", "FAILED", pod_name="pod-0", error={"message": "Error (exit code 1)"})
    second = {**first, "task_id": "second", "display_name": "executor(1)", "pod_name": "pod-1"}
    step = task("fetch", "RUNNING", child_tasks=[{"pod_name": "pod-0"}, {"pod_name": "pod-1"}])
    stub.logs = {
        "pod-0": "Traceback of the launcher\nerror: DATA_REPOSITORY: refuses the token: renew it\nmore\n",
        "pod-1": "no line of ours\nlast words\n",
    }
    stub.looks = [
        look("RUNNING", step, first),
        {**look("FAILED", {**step, "state": "FAILED"}, first, second), "error": {"message": "The workflow failed"}},
    ]
    assert go(stub.url) == 1
    text = "\n".join(lines)
    assert "fetch: failed (try 1): Error (exit code 1)\n    error: DATA_REPOSITORY: refuses the token: renew it" in text
    assert "fetch: failed (try 2): Error (exit code 1)\n    no line of ours\n    last words" in text
    assert "Traceback of the launcher" not in text
    assert lines[-2:] == ["run: The workflow failed", f"run: failed: {stub.url}/#/runs/details/run-1"]


def test_a_cancelled_run_is_not_a_success(stub, go):
    stub.looks = [{"state": "CANCELED"}]
    assert go(stub.url) == 1


def test_ctrl_c_stops_the_following_but_not_the_run(stub, go, lines, monkeypatch):
    def interrupted():
        yield
        raise KeyboardInterrupt

    monkeypatch.setattr(following, "steadily", interrupted)
    stub.looks = [{"state": "RUNNING"}]
    assert go(stub.url) == 130
    assert lines[-1] == f"no longer followed; the run continues: {stub.url}/#/runs/details/run-1"
    assert not [path for _, path, _ in stub.requests if "terminate" in path]


def test_following_survives_a_restart_of_the_server(stub, go):
    failures = iter([(503, '{"message": "starting"}')] * 3)
    stub.refuse = lambda method, path: next(failures, None) if path.startswith(f"{API}/runs/") else None
    assert go(stub.url) == 0


def test_following_ends_with_a_message_when_the_token_expires(stub, go):
    stub.refuse = lambda method, path: (401, '{"message": "expired"}') if path.startswith(f"{API}/runs/") else None
    message = _failing(go, stub.url)
    assert message.startswith("the run can no longer be followed (401: expired), but it continues: http")


@pytest.mark.parametrize("every", ["1d", "90m"])
def test_a_recurring_run_has_an_interval_and_does_not_catch_up(stub, compiled, settings, lines, every):
    trigger = Trigger.parse(None, every)
    schedule(compiled(), {"revision": "v1"}, settings(), stub.url, REVISION, trigger, say=lines.append)
    (recurring,) = stub.recurring
    seconds = {"1d": 86400, "90m": 5400}[every]
    assert recurring["trigger"] == {"periodic_schedule": {"interval_second": seconds}}
    assert recurring["no_catchup"] is True and recurring["max_concurrency"] == 1 and recurring["mode"] == "ENABLE"
    assert recurring["runtime_config"]["parameters"] == {"revision": "v1"}
    assert recurring["pipeline_version_reference"]["pipeline_version_id"] == "pipeline_version-1"
    assert lines[-1].endswith(f"{stub.url}/#/recurringrun/details/recurring_run-1")


def test_a_recurring_run_replaces_the_one_of_its_name_and_no_other(stub, compiled, settings, lines):
    for name in (None, "other", None):
        schedule(compiled(), {"revision": "v1"}, settings(), stub.url, REVISION, NIGHTLY, name, lines.append)
    assert sorted(one["display_name"] for one in stub.recurring) == ["one-step", "other"]
    one = next(one for one in stub.recurring if one["display_name"] == "one-step")
    assert one["pipeline_version_reference"]["pipeline_version_id"] == "pipeline_version-3"
    assert one["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * *"}}
    assert "replacing 1 of that name" in lines[-1]
    made, deleted = (
        [number for number, (method, path, _) in enumerate(stub.requests) if method == verb and "recurringruns" in path]
        for verb in ("POST", "DELETE")
    )
    assert len(deleted) == 1 and max(made) < deleted[0]


@pytest.mark.parametrize(
    ("cron", "every", "message"),
    [
        (None, None, "give exactly one of them"),
        ("0 3 * * *", "1d", "give exactly one of them"),
        ("0 3 *", None, "must have five fields"),
        ("0 3 * * ; rm", None, "must have five fields"),
        (None, "daily", "EVERY = daily: must be a number with"),
        (None, "30s", "at least a minute"),
        (None, "0h", "EVERY = 0h"),
    ],
)
def test_a_malformed_trigger_is_refused(cron, every, message):
    with pytest.raises(UserError, match=message):
        Trigger.parse(cron, every)


def test_six_fields_are_passed_to_kubeflow_unchanged():
    assert Trigger.parse("30 0 3 * * 1-5", None).cron == "30 0 3 * * 1-5"


def test_nothing_is_sent_if_an_image_was_never_pushed(stub, go):
    assert "has no digest" in _failing(go, stub.url, image="speech-emotion-cpu:0123")
    assert stub.requests == []


@pytest.mark.parametrize("host", ["", "kubeflow.example.com", "ftp://kubeflow", "http://", "http://[::1"])
def test_a_malformed_address_is_refused(go, host):
    assert _failing(go, host).startswith(f"HOST = {host}: must be an address such as")


@pytest.mark.parametrize("host", ["http://me:pass-word@[::1", "ftp://me:pass-word@kubeflow", "me:pass-word@kubeflow"])
def test_a_password_in_a_malformed_address_is_not_repeated(go, host):
    message = _failing(go, host)
    assert message.startswith(f"HOST = ...@{host.partition('@')[2]}: must be an address such as")


def test_a_password_in_the_address_is_refused_and_not_repeated(go):
    message = _failing(go, "https://me:pass-word@kubeflow.example.com")
    assert "must hold no password: export KUBEFLOW_TOKEN" in message and "pass-word" not in message


def test_no_server(go):
    host = f"http://127.0.0.1:{free_port()}"
    assert _failing(go, host).startswith(f"HOST = {host}: no answer (Connection refused): check host and port")


def test_a_name_that_does_not_exist(go):
    assert _failing(go, "http://kubeflow.invalid").startswith("HOST = http://kubeflow.invalid: no answer (")


def test_https_to_a_server_without_tls(stub, go):
    message = _failing(go, stub.url.replace("http:", "https:"))
    assert "certificate is not trusted (no TLS there: http://?)" in message


def test_a_self_signed_certificate(stub, go, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    with kubeflow_stub(certificate=self_signed(tmp_path)) as stub:
        message = _failing(go, stub.url)
    assert "its certificate is not trusted (self-signed certificate): name the authority's" in message


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (
            200,
            "<html>Log in</html>",
            "answers with a web page, not with the API: if it is a login, export KUBEFLOW_TOKEN",
        ),
        (200, '{"status": "fine"}', "answers, but is not Kubeflow Pipelines: check host and port"),
        (401, "<html>", "requires a login (401): export KUBEFLOW_TOKEN"),
        (403, "{}", "denies access (403): correct namespace in pipelines/cluster.yaml"),
        (404, "<html>", "has no such page (404): for a full Kubeflow the address ends in /pipeline"),
        (502, "<html>", "fails (status 502): see the log of its deployment ml-pipeline"),
    ],
)
def test_other_answers_than_the_apis_are_distinguished(stub, go, status, body, message):
    stub.refuse = lambda method, path: (status, body)
    assert f"HOST = {stub.url}: {message}" in _failing(go, stub.url)


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/experiments", 403, "denies access (403) (profile of others): correct namespace"),
        ("/pipelines/upload_version", 400, "refuses the request (status 400) (profile of others)"),
        ("/runs", 500, "fails (status 500) (profile of others): see the log"),
    ],
)
def test_a_later_refusal_shows_the_servers_own_message(stub, go, path, status, message):
    stub.refuse = lambda method, asked: (
        (status, json.dumps({"message": "profile of others"})) if asked == f"{API}{path}" else None
    )
    assert message in _failing(go, stub.url)


def test_a_token_from_the_environment_is_sent_with_every_request_and_never_shown(go, lines, monkeypatch):
    monkeypatch.setenv("KUBEFLOW_TOKEN", "very-secret")
    with kubeflow_stub(token="very-secret") as stub:
        assert go(stub.url) == 0
        assert {headers["Authorization"] for _, _, headers in stub.requests} == {"Bearer very-secret"}
    assert "very-secret" not in "\n".join(lines)


def test_a_token_from_a_file_and_a_cookie_are_sent_too(go, tmp_path, monkeypatch):
    (tmp_path / "token").write_text("from-a-file\n")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("KUBEFLOW_COOKIE", "authservice_session=abc")
    with kubeflow_stub(token="from-a-file") as stub:
        assert go(stub.url, following=False) == 0
        assert {headers["Cookie"] for _, _, headers in stub.requests} == {"authservice_session=abc"}


def test_a_missing_token_file(stub, go, tmp_path, monkeypatch):
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "absent"))
    assert "No such file or directory: name the file that holds the token" in _failing(go, stub.url)


def test_a_multi_user_installation_needs_a_namespace_which_everything_uses(go):
    with kubeflow_stub(multi_user=True) as stub:
        assert "namespace = ''" in _failing(go, stub.url)
        assert go(stub.url, namespace="mine") == 0
        assert stub.pipelines[0]["namespace"] == stub.experiments[0]["namespace"] == "mine"


def _kubeconfig(monkeypatch, tmp_path: Path, server: str) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))


def _secret(path: str, **keys: str) -> tuple[int, str]:
    return 200, json.dumps({"kind": "Secret", "metadata": {"name": path.rpartition("/")[2]}, "data": keys})


GIT = [{"name": "git", "steps": ["fetch"], "keys": {"token": "GIT_TOKEN", "repository": "DATA_REPOSITORY"}}]


def test_a_missing_secret_is_reported_with_the_command_that_creates_it(stub, go, tmp_path, monkeypatch):
    _kubeconfig(monkeypatch, tmp_path, stub.url)
    message = _failing(go, stub.url, secrets=GIT)
    assert message.startswith("secret git: is not in namespace kubeflow: create it: kubectl -n kubeflow create secret")
    assert "--from-file=repository=FILE --from-file=token=FILE" in message
    assert stub.versions == [] and stub.runs == []


def test_a_missing_key_of_a_secret_is_reported_without_values(stub, go, tmp_path, monkeypatch):
    _kubeconfig(monkeypatch, tmp_path, stub.url)
    asked = "/api/v1/namespaces/kubeflow/secrets/git"
    stub.refuse = lambda method, path: _secret(path, token="c2VjcmV0") if path == asked else None
    message = _failing(go, stub.url, secrets=GIT)
    assert message.startswith("secret git in namespace kubeflow: lacks repository: add it")
    assert "c2VjcmV0" not in message


def test_complete_secrets_cause_no_warning(stub, go, tmp_path, monkeypatch, lines):
    _kubeconfig(monkeypatch, tmp_path, stub.url)
    stub.refuse = lambda method, path: _secret(path, token="eA==", repository="eA==") if "/secrets/" in path else None
    assert go(stub.url, secrets=GIT) == 0
    assert not [line for line in lines if line.startswith("warning")]


def test_a_missing_volume_claim_is_reported(stub, go, tmp_path, monkeypatch):
    _kubeconfig(monkeypatch, tmp_path, stub.url)
    storage = {"pipeline_root": "", "cache_claim": "units", "cache_path": "/cache"}
    assert "volume claim units: is not in namespace kubeflow" in _failing(go, stub.url, storage=storage, secrets=[])


@pytest.mark.parametrize("why", ["forbidden", "unreachable", "no kubeconfig"])
def test_if_kubernetes_cannot_be_asked_a_warning_is_shown_and_the_run_starts(
    stub, go, tmp_path, monkeypatch, lines, why
):
    if why == "forbidden":
        _kubeconfig(monkeypatch, tmp_path, stub.url)
        stub.refuse = lambda method, path: (403, "{}") if path.startswith("/api/") else None
    elif why == "unreachable":
        _kubeconfig(monkeypatch, tmp_path, f"http://127.0.0.1:{free_port()}")
    assert go(stub.url, secrets=GIT) == 0
    (warning,) = [line for line in lines if line.startswith("warning")]
    words = {"forbidden": "does not let you", "unreachable": "does not answer", "no kubeconfig": "no kubeconfig here"}
    assert words[why] in warning and "the secrets git could not be checked" in warning
