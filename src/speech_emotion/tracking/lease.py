"""A lock for the processes that reach a store through an MLflow server: a ticket in tags, with a lease.

MLflow has no transaction over several calls, and over HTTP no lock of the database can be reached. What is there are
single reads and writes that are atomic, and these suffice for Lamport's bakery (Lamport 1974, "A new solution of
Dijkstra's concurrent programming problem"): each process keeps a ticket among the tags of the registered model or the
experiment, takes a number above all that it sees, and waits until no lower one is left.
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
POLL_SECONDS = (0.1, 2.0)  # between two looks: at first, and at most; every look costs a server its password check
CHOOSING = 0


class Tags(Protocol):
    """The tags that tickets are kept among."""

    def read(self) -> Mapping[str, str]: ...

    def write(self, key: str, value: str) -> None: ...

    def remove(self, key: str) -> None:
        """Deletes a tag; one that is gone already is no fault."""


@dataclass(frozen=True)
class ModelTags:
    """Those of a registered model that exists."""

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
    """Those of an experiment."""

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
    """A process that waits or works: key `lock.<id>.<beat>`, value the number and, as JSON, the process."""

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
        """As this_process() describes the one that holds it; one of an earlier revision is known by its words only."""
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
    """The lock whose tickets are kept among some tags. Those who wait are served in the order of their coming.

    A process that is killed inside holds up others of its host no longer, and those elsewhere, who cannot ask for it,
    for `seconds`, by the clock of each that waits: the clocks of several machines need not agree.

    Attributes:
        tags: those of what is to be changed.
        seconds: a process that was silent for longer has lost its turn.
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
    """The ticket of this process, renewed while it works: others remove one that they have seen for too long."""

    def __init__(self, tags: Tags, seconds: float):
        self._tags, self._seconds = tags, seconds
        self._id, self._owner = uuid.uuid4().hex, json.dumps(this_process())
        self._beat = 0
        self._write(CHOOSING)

    def confirm(self) -> None:
        self._confirm(self._tickets())

    def wait(self, note: Note) -> None:
        """Takes a number, and returns when it is the lowest."""
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
                    note(f"store: {ticket.owner} has been silent for {self._seconds:g} s: no longer waited for")
                    self._tags.remove(ticket.key)
                elif not noted:
                    note(waiting_for(ticket.owner))
                    noted = True
            time.sleep(pause)
            pause = min(1.5 * pause, longest)

    def end(self) -> None:
        """Gives the ticket back."""
        self._tags.remove(self._key)

    def _confirm(self, tickets: Mapping[str, _Ticket]) -> None:
        if self._key not in tickets:
            raise self._lost()
        if time.monotonic() - self._told > self._seconds / 4:
            self._renew(self._number)

    def _renew(self, number: int) -> None:
        """Replaces the ticket by a new one. While either is there nobody passes, so the old must outlast the new one's
        writing: a process that slept here would else bring back a place that others have given away."""
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
            f"registry.lease_seconds = {self._seconds:g}: this process was silent for longer and lost its turn: "
            "run the command again"
        )
