"""Follows a run: reports each change of a step's state, and the output of steps that failed."""

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import kfp_server_api
import urllib3

from pipelines.connection import Connection, said
from speech_emotion.errors import UserError

SECONDS_BETWEEN_LOOKS = 5.0
SECONDS_TO_ANSWER = 30
TRIES = 6  # requests in a row that may fail, for instance while the server restarts
SUCCEEDED, FAILED, SKIPPED, CANCELED = "SUCCEEDED", "FAILED", "SKIPPED", "CANCELED"
ENDED = (SUCCEEDED, FAILED, SKIPPED, CANCELED)
SERVER_ERROR = 500
LINES_OF_A_LOG = 15
# Kubeflow starts several pods for a step: a driver, which looks into the cache, and one executor for each attempt
DRIVER, EXECUTOR, ROOT = "-driver", "executor", "root"
ATTEMPT = re.compile(r"\((\d+)\)$")


@dataclass
class Follower:
    """Reports what changed since the last look at a run.

    Attributes:
        connection: to the API.
        run: its id.
        say: called with each line.
        states: task -> the state reported last.
    """

    connection: Connection
    run: str
    say: Callable[[str], None]
    states: dict[str, str] = field(default_factory=dict)

    def tell(self, details: kfp_server_api.V2beta1Run) -> None:
        """Reports the steps whose state has changed, and the end of the output of those that failed."""
        tasks = list(details.run_details.task_details or ()) if details.run_details else []
        owners = {
            child.pod_name or child.task_id: task.display_name or ""
            for task in tasks
            for child in task.child_tasks or ()
        }
        for task in sorted(tasks, key=lambda one: (str(one.start_time), one.task_id or "")):
            state, key = task.state, task.task_id or task.display_name
            if not state or self.states.get(key) == state:
                continue
            self.states[key] = state
            name = task.display_name or ""
            attempt = ATTEMPT.search(name)
            inner = ATTEMPT.sub("", name) == EXECUTOR
            step = _step(owners.get(task.pod_name or "", "") or owners.get(key, "") if inner else name)
            if state == FAILED:
                tried = f" (try {int(attempt[1]) + 1})" if attempt else ""
                self.say(f"{step or name}: failed{tried}{self._reason(task)}")
            elif not inner and not name.endswith(DRIVER) and name != ROOT and not attempt:
                self.say(f"{step}: {state.lower()}{_seconds(task)}")

    def _reason(self, task: Any) -> str:
        message = task.error.message if task.error is not None else ""
        lines = [f": {message}"] if message else [""]
        if task.pod_name:
            log = self.connection.log(self.run, task.pod_name).rstrip().splitlines()
            ours = [line for line in log if line.startswith("error: ")]  # the step's messages to the user
            lines += [f"    {line}" for line in (ours or log)[-LINES_OF_A_LOG:]]
        return "\n".join(lines)


def follow(
    connection: Connection,
    run: str,
    say: Callable[[str], None] = print,
) -> str:
    """Follows a run until it ends.

    Args:
        connection: to the API.
        run: its id.
        say: called with each change as a line.

    Returns:
        its state: SUCCEEDED, FAILED, SKIPPED or CANCELED.

    Raises:
        UserError: the server stopped answering; the run goes on.
    """
    follower, failures = Follower(connection, run, say), 0
    for _ in steadily():
        try:
            details = connection.client.runs.run_service_get_run(run, _request_timeout=SECONDS_TO_ANSWER)
            failures = 0
        except (kfp_server_api.ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            failures += 1
            ours = isinstance(error, kfp_server_api.ApiException) and error.status and error.status < SERVER_ERROR
            if ours or failures >= TRIES:
                why = f"{error.status}: {said(error)}" if ours else type(error).__name__
                page = connection.page(f"runs/details/{run}")
                raise UserError(f"the run can no longer be followed ({why}), but it continues: {page}") from None
            continue
        follower.tell(details)
        if details.state in ENDED:
            if details.state == FAILED and details.error is not None and details.error.message:
                say(f"run: {details.error.message}")
            return details.state
    raise AssertionError("never")


def steadily() -> Iterator[None]:
    """Yields every few seconds, forever."""
    idle = threading.Event()
    while True:
        yield
        idle.wait(SECONDS_BETWEEN_LOOKS)


def _step(name: str) -> str:
    return ATTEMPT.sub("", name).removesuffix(DRIVER)


def _seconds(task: Any) -> str:
    if task.state not in ENDED or not task.start_time or not task.end_time:
        return ""
    seconds = (task.end_time - task.start_time).total_seconds()
    return f" ({seconds:.0f} s)" if seconds > 0 else ""
