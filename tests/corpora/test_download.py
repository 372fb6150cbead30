"""Interrupted downloads resume, from a local server."""

import hashlib
import http.server
import os
import re
import threading

import pytest

from speech_emotion.corpora.download import download
from speech_emotion.errors import UserError
from speech_emotion.recorder import Recorder


class Server:
    """Serves `content` at any path; `cuts` are the sizes after which replies break off, one for each request."""

    def __init__(self):
        self.content = os.urandom(5 * 2**20 + 12345)
        self.etag = '"one"'
        self.cuts = []
        self.statuses = []
        self.ranges = True
        self.shift = 0  # how far the answer is from the requested range
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *arguments):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}/corpus.zip"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(self, request):
        self.asked.append(request.headers.get("Range"))
        if self.statuses and (status := self.statuses.pop(0)) != 200:
            request.send_error(status)
            return
        first, match = 0, re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if match and self.ranges and request.headers.get("If-Range") == self.etag:
            first = int(match[1]) - self.shift
            if first >= len(self.content):
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{len(self.content)}")
                request.send_header("Content-Length", "0")
                request.end_headers()
                return
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {first}-{len(self.content) - 1}/{len(self.content)}")
        else:
            request.send_response(200)
        body = self.content[first:]
        request.send_header("Content-Length", str(len(body)))
        if self.etag:
            request.send_header("ETag", self.etag)
        request.end_headers()
        request.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)


@pytest.fixture
def server():
    served = Server()
    yield served
    served.http.shutdown()
    served.http.server_close()


def fetch(server, target, attempts=0):
    download(server.address, target, Recorder(quiet=True), pauses=(0.0,) * attempts)


def whole(server, target):
    leftovers = sorted(path.name for path in target.parent.iterdir())
    same = hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(server.content).digest()
    return same and leftovers == [target.name]


def test_file_is_downloaded_completely(server, tmp_path):
    target = tmp_path / "deep/corpus.zip"
    fetch(server, target)
    assert whole(server, target)
    assert server.asked == [None]


def test_cut_connection_resumes_where_it_broke(server, tmp_path):
    server.cuts = [2**20 * 2 + 7, 2**20 + 1]
    fetch(server, tmp_path / "corpus.zip", attempts=1)
    assert whole(server, tmp_path / "corpus.zip")
    assert len(server.asked) == 3
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in server.asked[1:]]
    assert 0 < starts[0] <= 2**20 * 2 + 7 < starts[1]


def test_next_call_resumes_after_a_failure(server, tmp_path):
    server.cuts = [3 * 2**20]
    with pytest.raises(UserError, match="run the same command again") as error:
        fetch(server, tmp_path / "corpus.zip")
    assert "3.0 MiB are kept" in str(error.value)
    assert not (tmp_path / "corpus.zip").exists()
    fetch(server, tmp_path / "corpus.zip")
    assert server.asked[1] == f"bytes={3 * 2**20}-"
    assert whole(server, tmp_path / "corpus.zip")


def test_file_that_changed_meanwhile_starts_over(server, tmp_path):
    server.cuts = [3 * 2**20]
    with pytest.raises(UserError):
        fetch(server, tmp_path / "corpus.zip")
    server.content, server.etag = os.urandom(4 * 2**20), '"two"'
    fetch(server, tmp_path / "corpus.zip")
    assert whole(server, tmp_path / "corpus.zip")


def test_server_without_ranges_starts_over(server, tmp_path):
    server.ranges, server.cuts = False, [2 * 2**20]
    fetch(server, tmp_path / "corpus.zip", attempts=1)
    assert whole(server, tmp_path / "corpus.zip")


def test_answer_with_the_wrong_range_starts_over(server, tmp_path):
    server.shift, server.cuts = 1000, [2 * 2**20]
    fetch(server, tmp_path / "corpus.zip", attempts=2)
    assert server.asked == [None, f"bytes={2 * 2**20}-", None]
    assert whole(server, tmp_path / "corpus.zip")


def test_server_without_versions_starts_over(server, tmp_path):
    server.etag, server.cuts = "", [2 * 2**20]
    fetch(server, tmp_path / "corpus.zip", attempts=1)
    assert server.asked == [None, None]
    assert whole(server, tmp_path / "corpus.zip")


def test_complete_part_of_a_killed_run_is_used(server, tmp_path):
    server.cuts = [3 * 2**20]
    with pytest.raises(UserError):
        fetch(server, tmp_path / "corpus.zip")
    (tmp_path / "corpus.zip.part").write_bytes(server.content)
    fetch(server, tmp_path / "corpus.zip")
    assert whole(server, tmp_path / "corpus.zip")


def test_part_that_is_longer_than_the_file_starts_over(server, tmp_path):
    server.cuts = [3 * 2**20]
    with pytest.raises(UserError):
        fetch(server, tmp_path / "corpus.zip")
    (tmp_path / "corpus.zip.part").write_bytes(server.content + b"more")
    fetch(server, tmp_path / "corpus.zip", attempts=1)
    assert whole(server, tmp_path / "corpus.zip")


def test_broken_stamp_beside_the_part_starts_over(server, tmp_path):
    (tmp_path / "corpus.zip.part").write_bytes(b"anything")
    (tmp_path / "corpus.zip.part.json").write_text("[")
    fetch(server, tmp_path / "corpus.zip")
    assert whole(server, tmp_path / "corpus.zip")


def test_busy_server_is_asked_again(server, tmp_path):
    server.statuses = [503, 429, 200]
    fetch(server, tmp_path / "corpus.zip", attempts=2)
    assert whole(server, tmp_path / "corpus.zip")


def test_refusing_server_is_asked_once(server, tmp_path):
    server.statuses = [404, 200]
    with pytest.raises(UserError, match=r"404 Not Found.*FROM=path"):
        fetch(server, tmp_path / "corpus.zip", attempts=3)
    assert len(server.asked) == 1


def test_no_server_at_all(server, tmp_path):
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(UserError, match="no connection to the server"):
        fetch(server, tmp_path / "corpus.zip", attempts=1)
