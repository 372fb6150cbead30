"""A lock for processes that use a store through an MLflow server: tickets in tags, with a lease.

MLflow has no transactions over several calls, and the locks of its database cannot be used over HTTP. Single reads and
writes are atomic, however, which is enough for Lamport's bakery algorithm (Lamport 1974, "A new solution of Dijkstra's
concurrent programming problem"): each process keeps a ticket in the tags of the registered model or the experiment,
takes a number above all numbers that it sees, and waits until there is no lower one.
"""

import contextlib
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from speech_emotion.errors import UserError
from speech_emotion.store.locks import Lock, Note, Turn, silent, waiting_for
from speech_emotion.tracking.processes import can_be_asked, runs_here, this_process

PREFIX = "lock."
POLL_SECONDS = (0.1, 2.0)  # between two looks: at first, and at most; for each look the server checks a password
CHOOSING = 0


class Tags(Protocol):
    """The tags that contain the tickets."""

    def read(self) -> Mapping[str, str]: ...

    def write(self, key: str, value: str) -> None: ...

    def remove(self, key: str) -> None:
        """Deletes a tag; it is no error if it does not exist."""


@dataclass(frozen=True)
class ModelTags:
    """The tags of a registered model, which must exist."""

    client: mlflow.MlflowClient
    name: str

    def read(self) -> Mapping[str, str]:
        return self.client.get_registered_model(self.name).tags

    def write(self, key: str, value: str) -> None:
        self.client.set_registered_model_tag(self.name, key, value)

    def remove(self, key: str) -> None:
        self.client.delete_registered_model_tag(self.name, key)


@dataclass(frozen=True)
class ExperimentTags:
    """The tags of an experiment."""

    client: mlflow.MlflowClient
    id: str

    def read(self) -> Mapping[str, str]:
        return self.client.get_experiment(self.id).tags

    def write(self, key: str, value: str) -> None:
        self.client.set_experiment_tag(self.id, key, value)

    def remove(self, key: str) -> None:
        try:
            self.client.delete_experiment_tag(self.id, key)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise


@dataclass(frozen=True)
class _Ticket:
    """A process that waits or works. Key `lock.<id>.<beat>`; value: its number and, as JSON, the process."""

    key: str
    value: str

    @property
    def id(self) -> str:
        return self.key.removeprefix(PREFIX).partition(".")[0]

    @property
    def number(self) -> int:
        """CHOOSING until the process has one."""
        return int(self.value.partition(" ")[0])

    @property
    def process(self) -> dict[str, Any]:
        """The ticket's process as this_process() describes it; earlier revisions wrote text in place of JSON."""
        text = self.value.partition(" ")[2]
        try:
            return json.loads(text)
        except ValueError:
            return {"host": text, "pid": "unknown"}

    @property
    def owner(self) -> str:
        return f"{self.process['host']} process {self.process['pid']}"

    @property
    def dead(self) -> bool:
        """Whether its process is known to have ended."""
        return can_be_asked(self.process) and not runs_here(self.process)

    @property
    def place(self) -> tuple[int, str]:
        return self.number, self.id


@dataclass(frozen=True)
class Lease(Lock):
    """A lock whose tickets are in some tags. Waiting processes get it in the order in which they came.

    If the holder is killed, processes on its host notice at once. Those on other hosts cannot tell; they wait for
    `seconds`, each by its own clock, so the clocks of the machines need not agree.

    Attributes:
        tags: the tags of the object to be changed.
        seconds: a process that does not renew its ticket for longer loses the lock.
    """

    tags: Tags
    seconds: float

    @contextlib.contextmanager
    def turn(self, note: Note = silent) -> Iterator[Turn]:
        turn = _LeasedTurn(self.tags, self.seconds)
        try:
            turn.wait(note)
            yield turn
        finally:
            turn.end()


class _LeasedTurn(Turn):
    """The ticket of this process, renewed while it works; others remove a ticket that is not renewed in time."""

    def __init__(self, tags: Tags, seconds: float):
        self._tags, self._seconds = tags, seconds
        self._id, self._owner = uuid.uuid4().hex, json.dumps(this_process())
        self._beat = 0
        self._write(CHOOSING)

    def confirm(self) -> None:
        self._confirm(self._tickets())

    def wait(self, note: Note) -> None:
        """Takes a number and returns when it is the lowest."""
        self._renew(1 + max((ticket.number for ticket in self._tickets().values()), default=CHOOSING))
        mine = (self._number, self._id)
        seen: dict[str, float] = {}  # a ticket's key -> when it was first seen, by this clock
        noted = False
        pause, longest = POLL_SECONDS
        while True:
            tickets = self._tickets()
            self._confirm(tickets)
            others = [ticket for ticket in tickets.values() if ticket.id != self._id]
            ahead = [ticket for ticket in others if ticket.number == CHOOSING or ticket.place < mine]
            if not ahead:
                return
            now = time.monotonic()
            for ticket in ahead:
                if ticket.dead:
                    self._tags.remove(ticket.key)
                elif now - seen.setdefault(ticket.key, now) > self._seconds:
                    note(f"store: {ticket.owner} has been silent for {self._seconds:g} s: not waiting any longer")
                    self._tags.remove(ticket.key)
                elif not noted:
                    note(waiting_for(ticket.owner))
                    noted = True
            time.sleep(pause)
            pause = min(1.5 * pause, longest)

    def end(self) -> None:
        """Removes the ticket."""
        self._tags.remove(self._key)

    def _confirm(self, tickets: Mapping[str, _Ticket]) -> None:
        if self._key not in tickets:
            raise self._lost()
        if time.monotonic() - self._told > self._seconds / 4:
            self._renew(self._number)

    def _renew(self, number: int) -> None:
        """Replaces the ticket by a new one.

        Either one keeps other processes waiting. The old one must still exist once the new one is written: otherwise
        this process was silent for too long, others removed its ticket, and it must not claim its place again.
        """
        before = self._key
        self._write(number)
        if before not in self._tickets():
            raise self._lost()
        self._tags.remove(before)

    def _write(self, number: int) -> None:
        self._number, self._told = number, time.monotonic()
        self._beat += 1
        self._key = f"{PREFIX}{self._id}.{self._beat}"
        self._tags.write(self._key, f"{number} {self._owner}")

    def _tickets(self) -> dict[str, _Ticket]:
        return {key: _Ticket(key, value) for key, value in self._tags.read().items() if key.startswith(PREFIX)}

    def _lost(self) -> UserError:
        return UserError(
            f"registry.lease_seconds = {self._seconds:g}: this process was silent for longer and lost the lock: "
            "run the command again"
        )
