"""The page's requests: which are answered, which are refused, and that the server keeps running."""

import http.client
import io
import json
import os
import select
import socket
import threading
from contextlib import ExitStack

import numpy as np
import pytest
import soundfile

from made_up_export import LABELS, RATE
from speech_emotion_jetson import handler, web
from speech_emotion_jetson.errors import UserError
from speech_emotion_jetson.handler import FILES


def wav(samples, rate=RATE, **options):
    content = io.BytesIO()
    soundfile.write(content, samples, rate, format="WAV", **options)
    return content.getvalue()


def ask(port, path="/", method="GET", body=None, **headers):
    """(status, headers, content) of a request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, headers)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    return reply.status, reply.headers, content


def analyse(port, content, name="a.wav", path="/api/analyse", **headers):
    """(status, the answer's parts)."""
    status, _, said = ask(port, path, "POST", content, **{"X-File-Name": name, **headers})
    return status, [json.loads(line) for line in said.splitlines()]


@pytest.fixture
def port(serve):
    with serve() as (number, _):
        yield number
        assert ask(number, "/api/health")[0] == 200  # the server is still running


@pytest.mark.parametrize("path", FILES)
def test_the_pages_files_have_their_type_and_security_headers(port, path):
    status, headers, content = ask(port, path)
    assert status == 200 and content
    assert headers["Content-Type"] == FILES[path][1]
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert ask(port, path, "HEAD")[2] == b""


def test_the_page_requests_nothing_from_other_hosts(port):
    for path in FILES:
        content = ask(port, path)[2].decode()
        assert "//" not in content.replace("http://www.w3.org/2000/svg", "").replace("// ", "").replace("/** ", "")


def test_the_model_is_described_and_its_samples_are_served(port, made):
    model = json.loads(ask(port, "/api/model")[2])
    assert model["labels"] == list(LABELS)
    assert [one["name"] for one in model["samples"]] == [
        "anger",
        "neutral",
        "sadness",
        "anger then neutral then sadness",
    ]
    assert "not real speakers" in model["samples_note"].lower()
    status, headers, content = ask(port, f"/api/samples/{model['samples'][0]['id']}")
    assert (status, headers["Content-Type"]) == (200, "audio/wav")
    assert content == (made / "samples/anger.wav").read_bytes()


def test_samples_of_a_folder_replace_the_bundles(serve, tmp_path, waveform):
    soundfile.write(tmp_path / "mine.wav", waveform, RATE)
    with serve("--samples", str(tmp_path)) as (port, _):
        model = json.loads(ask(port, "/api/model")[2])
        assert ([one["name"] for one in model["samples"]], model["samples_note"]) == (["mine"], "")


def test_a_removed_sample_is_reported(serve, tmp_path, waveform):
    soundfile.write(tmp_path / "mine.wav", waveform, RATE)
    with serve("--samples", str(tmp_path)) as (port, _):
        (tmp_path / "mine.wav").unlink()
        status, _, content = ask(port, "/api/samples/1")
        assert (status, json.loads(content)["error"]) == (404, "this sample is no longer there")
        assert ask(port, "/api/health")[0] == 200


def test_a_sample_whose_name_is_not_utf_8_is_shown_and_served(serve, tmp_path, waveform):
    soundfile.write(tmp_path / "mine.wav", waveform, RATE)
    (tmp_path / "mine.wav").rename(tmp_path / os.fsdecode(b"h\xf6rt-her.wav"))
    with serve("--samples", str(tmp_path)) as (port, _):
        status, _, content = ask(port, "/api/model")
        assert (status, json.loads(content)["samples"]) == (200, [{"id": "1", "name": "h\\xf6rt her"}])
        assert ask(port, "/api/samples/1")[0] == 200


def test_the_answer_has_everything_that_the_page_shows(port, recogniser, waveform):
    status, (said, more) = analyse(port, wav(waveform, subtype="FLOAT"))
    expected = recogniser.predict(waveform, RATE)
    assert status == 200
    assert said["emotion"] == expected.emotion
    np.testing.assert_allclose(list(said["probabilities"].values()), list(expected.probabilities.values()), atol=1e-4)
    assert len(said["windows"]) == len(expected.windows) == said["windows_asked"]
    assert said["timeline"][0]["start"] == 0 and said["timeline"][-1]["end"] == pytest.approx(said["seconds"], abs=1e-3)
    assert said["picture"]["columns"] == len(said["picture"]["high"])
    assert set(said["milliseconds"]) == {"answer", "model"} and set(more["milliseconds"]) == {"focus"}
    assert len(more["focus"]) > 10 and all(-1 <= value <= 1 for value in more["focus"])


def test_live_speech_gets_a_brief_answer(port, waveform):
    status, (said,) = analyse(port, wav(waveform), path="/api/analyse?brief")
    assert status == 200
    assert "picture" not in said and set(said["probabilities"]) == set(LABELS)


@pytest.mark.parametrize(
    ("content", "name", "status", "message"),
    [
        (b"this is no sound", "a.wav", 422, "begins like no audio"),
        (bytes(1000), "a.wav", 422, "begins like no audio"),
        (wav(np.zeros(100))[:-50], "a.wav", 422, "the header promises"),
        (wav(np.zeros(100))[:30], "a.wav", 422, "ends within its header"),
        (wav(np.full(100, np.nan), subtype="FLOAT"), "a.wav", 422, "NaN or infinite"),
        (wav(np.zeros(0)), "a.wav", 422, "no samples"),
        (wav(np.zeros(100)), "a.flac", 422, "its content is WAV: rename it to .wav"),
        (wav(np.zeros(100), 4000), "a.wav", 422, "4000 Hz: must be within"),
        (wav(np.zeros(100)), "a.exe", 415, "is none of .wav"),
        (wav(np.zeros(100)), "a", 415, "is none of .wav"),
        (wav(np.zeros(100)), "../../../etc/passwd", 415, "is none of .wav"),
        (b"", "a.wav", 400, "empty"),
    ],
)
def test_a_recording_that_cannot_be_used_is_refused_with_the_reason(port, content, name, status, message):
    found, (said,) = analyse(port, content, name)
    assert found == status
    assert message in said["error"]
    assert "/tmp" not in said["error"]


def test_every_kind_of_corruption_gets_an_answer(port, waveform):
    random, whole = np.random.default_rng(0), wav(waveform[:4000])
    for _ in range(40):
        content = bytearray(whole)
        for place in random.integers(0, 60, random.integers(1, 8)):
            content[place] = random.integers(256)
        assert analyse(port, bytes(content))[0] in (200, 422)


def test_uploads_above_the_limits_are_refused(serve, waveform):
    with serve("--max-megabytes", "0.01", "--max-seconds", "0.2") as (port, _):
        status, (said,) = analyse(port, wav(waveform))
        assert (status, said["error"]) == (413, "the recording is larger than 0.01 MB")
        status, (said,) = analyse(port, wav(waveform[:4000]))
        assert status == 422 and "exceed 0.2 s" in said["error"] and said["reason"] == "too-long"
        assert analyse(port, wav(waveform[:3000]))[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../bundle.json", "/..%2fbundle.json", "/page/../handler.py", "//etc/passwd", "/handler.py", "/api/samples/0",
        "/api/samples/../1", "/api/samples/1/../../model", "/index.html/..", "/%00", "/api/samples/", "/api/analyse",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_page(port, path):
    status, _, content = ask(port, path)
    assert status == 404
    assert json.loads(content) == {"error": "no such page"}


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "localhost.evil.example", "", "127.0.0.1.evil.example"]
)
def test_a_request_for_another_host_name_is_refused(port, host):
    status, _, content = ask(port, "/api/model", Host=host)
    assert status == 421 and b"--name NAME" in content


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8765", "192.168.1.7", "[::1]:8765"])
def test_this_devices_names_and_ip_addresses_are_accepted(port, host):
    assert ask(port, "/api/health", Host=host)[0] == 200


def test_a_name_given_by_the_user_is_accepted(serve):
    with serve("--name", "jetson.lab") as (port, _):
        assert ask(port, "/api/health", Host="jetson.lab:8765")[0] == 200


def test_requests_from_another_site_are_refused(port, waveform):
    content = wav(waveform[:4000])
    assert analyse(port, content, Origin="https://evil.example")[0] == 403
    assert analyse(port, content, Origin="null")[0] == 403
    assert analyse(port, content, Origin=f"http://127.0.0.1:{port}")[0] == 200


@pytest.mark.parametrize(("method", "status"), [("PUT", 501), ("DELETE", 501), ("BREW", 501)])
def test_other_methods_are_refused(port, method, status):
    assert ask(port, "/", method)[0] == status


def test_an_upload_without_its_length_is_refused(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest("POST", "/api/analyse")
    connection.endheaders()
    assert connection.getresponse().status == 411
    connection.close()


@pytest.fixture
def slow(recogniser, monkeypatch):
    """A model that waits for `go` at each window; `asked` is set when it is called."""
    go, asked, ask_model = threading.Event(), threading.Event(), recogniser.backend.ask

    def wait(window):
        asked.set()
        assert go.wait(30)
        return ask_model(window)

    monkeypatch.setattr(recogniser.backend, "ask", wait)
    yield go, asked
    go.set()


def start(port, content):
    """Sends a recording and does not wait for the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/api/analyse?brief", content, {"X-File-Name": "a.wav"})
    return connection


def test_requests_beyond_the_queue_are_refused_and_waiting_ones_are_answered(serve, slow, waveform):
    go, asked = slow
    content = wav(waveform[:4000])
    with serve("--queue", "2") as (port, _), ExitStack() as stack:
        first = start(port, content)
        stack.callback(first.close)
        assert asked.wait(30)
        held = {}
        for _ in range(12):
            connection = start(port, content)
            stack.callback(connection.close)
            held[connection.sock] = connection
        refused = 0
        while refused < 10:
            ready, _, _ = select.select(list(held), [], [], 30)
            assert ready, f"{refused} refused, the others wait"
            for socket_of_it in ready:
                reply = held.pop(socket_of_it).getresponse()
                assert (reply.status, reply.headers["Retry-After"]) == (503, "2")
                refused += 1
        assert ask(port, "/")[0] == 200  # the page itself still works
        go.set()
        assert [connection.getresponse().status for connection in (first, *held.values())] == [200] * 3


def test_a_page_closed_in_the_middle_frees_the_model(serve, slow, waveform):
    go, asked = slow
    long = wav(np.tile(waveform, 10))
    with serve("--queue", "0") as (port, told):
        closed = start(port, long)
        assert asked.wait(30)
        closed.close()
        asked.clear()
        go.set()
        status = 503
        while status == 503:  # until the abandoned request has stopped
            status, _ = analyse(port, wav(waveform[:4000]), path="/api/analyse?brief")
        assert status == 200
        assert told == [f"page: http://127.0.0.1:{port}/"]


def test_a_page_closed_while_it_waits_frees_its_place(serve, slow, waveform):
    go, asked = slow
    content = wav(waveform[:4000])
    with serve("--queue", "1") as (port, _):
        first = start(port, content)
        assert asked.wait(30)
        waiting = start(port, content)
        waiting.close()
        status = 503
        other = None
        while status == 503:
            other = start(port, content)
            other.sock.settimeout(1)
            try:
                status = other.getresponse().status
            except TimeoutError:
                status = "waits"
        assert status == "waits"
        go.set()
        other.sock.settimeout(30)
        assert first.getresponse().status == 200
        other.close()
        first.close()


def test_an_aborted_upload_is_discarded(serve, waveform):
    content = wav(waveform)
    with serve("--queue", "0") as (port, _):
        head = f"POST /api/analyse HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(head + content[:1000])
        status = 503
        while status == 503:
            status, _ = analyse(port, content)
        assert status == 200


def test_a_slow_upload_is_refused(serve, monkeypatch, waveform):
    monkeypatch.setattr(handler, "UPLOAD_SECONDS", -1.0)
    with serve() as (port, _):
        assert analyse(port, wav(waveform))[0] == 408


@pytest.mark.parametrize(
    "content",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a browser that speaks TLS
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x00" * 5000,
        b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"POST /api/analyse HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/analyse HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"",
    ],
    ids=range(9),
)
def test_malformed_requests_do_no_harm(port, content):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        try:
            while connection.recv(65536):
                pass
        except ConnectionResetError:
            pass


def test_silent_connections_are_closed_and_do_not_block_others(serve, monkeypatch):
    monkeypatch.setattr(web, "CONNECTIONS", 4)
    monkeypatch.setattr(web, "SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(handler.Handler, "timeout", 0.5)
    with serve() as (port, _), ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30)) for _ in range(4)]
        refused = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
        assert refused.recv(100).startswith(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\n")
        assert [connection.recv(100) for connection in silent] == [b""] * 4
        assert ask(port, "/api/health")[0] == 200


def test_a_slow_header_is_cut_off(serve, monkeypatch):
    monkeypatch.setattr(handler, "HEADER_SECONDS", 0.3)
    with serve() as (port, _), socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        assert connection.recv(100) == b""


def test_an_exception_of_the_model_is_one_line_and_the_server_keeps_running(serve, recogniser, monkeypatch, waveform):
    def broken(window):
        raise RuntimeError("the accelerator is gone")

    with serve() as (port, told):
        monkeypatch.setattr(recogniser.backend, "ask", broken)
        status, (said,) = analyse(port, wav(waveform))
        assert status == 500 and said["error"] == "the model failed: look at the device's own messages"
        assert told[-1] == "page: RuntimeError: the accelerator is gone"
        assert ask(port, "/api/health")[0] == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_exception_of_the_page_is_one_line_too(serve, monkeypatch, method):
    def broken():
        raise ValueError("no formats")

    with serve() as (port, told):
        monkeypatch.setattr(handler, "formats", broken)
        status, _, content = ask(port, "/api/model", method)
        assert status == 500 and (method == "HEAD" or b"the page failed: look at the device's own messages" in content)
        assert told[-1] == "page: ValueError: no formats"
        assert ask(port, "/api/health")[0] == 200


def test_a_port_in_use_is_named_with_the_cure(serve):
    with (
        serve() as (port, _),
        pytest.raises(UserError, match=f"--port = {port}: .*choose another"),
        serve("--port", str(port)),
    ):
        pass
