"""Downloads files from publishers, and resumes downloads that were interrupted."""

import contextlib
import json
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

import requests

from speech_emotion.errors import UserError
from speech_emotion.recorder import Recorder
from speech_emotion.store.atomic import write_text

BLOCK = 2**20  # bytes; progress counts these
TIMEOUT = (15, 60)  # seconds to connect, seconds without a byte
PAUSES = (1.0, 3.0, 10.0, 30.0)  # seconds before each attempt after the first; progress resets them


def download(address: str, target: Path, recorder: Recorder, pauses: Sequence[float] = PAUSES) -> None:
    """Downloads `address` to `target`, which appears only once it is complete.

    The bytes received so far are in `target`.part, and `target`.part.json records which version of the file they belong
    to. The next attempt, or the next call after a kill, asks for the rest (HTTP Range, RFC 9110, section 14). It starts
    over if the file has changed or the server does not support ranges.

    Args:
        address: URL of the file.
        target: path to write; its folder is created if needed.
        recorder: shows progress and retries.
        pauses: seconds to wait before each further attempt.

    Raises:
        UserError: the server refuses the request, or every attempt fails.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    fault, left = "", list(pauses)
    while True:
        before = _size(part)
        try:
            if _fetch_on(address, part, recorder):
                os.replace(part, target)
                _stamp(part).unlink(missing_ok=True)
                return
            fault = "the connection closed early"
        except requests.RequestException as error:
            _refuse_for_good(address, error)
            fault = _cause(error)
        if _size(part) > before:
            left = list(pauses)
        if not left:
            break
        recorder.note(f"{address}: {fault}: retrying from {_size(part) / BLOCK:.1f} MiB")
        time.sleep(left.pop(0))
    raise UserError(
        f"{address}: {fault}: {_size(part) / BLOCK:.1f} MiB are kept: run the same command again to resume, "
        "or download the file yourself and give it as FROM=path"
    )


def _fetch_on(address: str, part: Path, recorder: Recorder) -> bool:
    """Makes one attempt; True if the file is complete."""
    have, version = _size(part), _version(part)
    headers = {"Accept-Encoding": "identity"}  # ranges count bytes of the uncompressed file
    if have and version:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    with requests.get(address, headers=headers, stream=True, timeout=TIMEOUT) as reply:
        if reply.status_code == requests.codes.requested_range_not_satisfiable:
            if _total_of_range(reply) == have:
                return True
            part.unlink()  # longer than the file: it belongs to another version
            return False
        reply.raise_for_status()
        goes_on = reply.status_code == requests.codes.partial_content and _first_of_range(reply) == have
        if not goes_on and reply.status_code == requests.codes.partial_content:
            part.unlink(missing_ok=True)
            return False
        have = have if goes_on else 0
        length = reply.headers.get("Content-Length")
        total = have + int(length) if length else None
        write_text(_stamp(part), json.dumps({"address": address, "version": _version_of(reply)}))
        with open(part, "ab" if goes_on else "wb") as file:
            for block in recorder.progress(
                reply.iter_content(BLOCK), f"{Path(address).name} (MiB)", _blocks(total, have)
            ):
                file.write(block)
        return total is None or _size(part) == total


def _blocks(total: int | None, have: int) -> int | None:
    return None if total is None else -(-(total - have) // BLOCK)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _stamp(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _version(part: Path) -> str | None:
    """The server's name for the version of the file that `part` was taken from."""
    with contextlib.suppress(FileNotFoundError, ValueError, AttributeError):
        return json.loads(_stamp(part).read_text(encoding="utf-8")).get("version")
    return None


def _version_of(reply: requests.Response) -> str | None:
    tag = reply.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):  # weak tags cannot be used with ranges
        return tag
    return reply.headers.get("Last-Modified")


def _first_of_range(reply: requests.Response) -> int | None:
    match = re.fullmatch(r"bytes (\d+)-\d+/(?:\d+|\*)", reply.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _total_of_range(reply: requests.Response) -> int | None:
    match = re.fullmatch(r"bytes \*/(\d+)", reply.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _refuse_for_good(address: str, error: requests.RequestException) -> None:
    """Raises UserError for answers that another attempt would not change."""
    reply = error.response
    if reply is not None and 400 <= reply.status_code < 500 and reply.status_code not in (408, 429):
        raise UserError(
            f"{address}: the server answers {reply.status_code} {reply.reason}: download the corpus by hand "
            "from its publisher and give the archive as FROM=path"
        ) from None


def _cause(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "the server does not answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke"
    if isinstance(error, requests.ConnectionError):
        return "no connection to the server"
    return str(error)
