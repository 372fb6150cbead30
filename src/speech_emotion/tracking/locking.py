"""One process at a time on a registered model or an experiment, whatever the store: a file, a database, a server.

MLflow has no transaction over several calls, and over HTTP no lock of the database can be reached. What every store has
are single reads and writes that are atomic, and these suffice for Lamport's bakery (Lamport 1974, "A new solution of
Dijkstra's concurrent programming problem"): each process keeps a ticket among the tags of the model or experiment,
takes a number above all that it sees, and waits until no lower one is left.
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
from speech_emotion.recorder import Recorder
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
    """A process that waits or works; `number` is CHOOSING until it has one."""

    key: str
    value: str

    @property
    def number(self) -> int:
        return int(self.value.split(" ", 1)[0])

    @property
    def process(self) -> dict[str, Any]:
        """As this_process() describes the one that holds it; one of an earlier revision is known by its words alone."""
        text = self.value.split(" ", 2)[2]
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
        return self.number, self.key


class Turn:
    """The right to make changes, held for the length of `exclusive`."""

    def __init__(self, tags: Tags, lease_seconds: float):
        self._tags, self._lease = tags, lease_seconds
        self._key = PREFIX + uuid.uuid4().hex
        self._owner = json.dumps(this_process())
        self._beat = 0
        self._set(CHOOSING)

    def confirm(self) -> None:
        """Says that this process is alive; to be called before each change.

        Raises:
            UserError: others have taken it for dead, since it was silent for longer than the lease.
        """
        self._confirm(self._tickets())

    def _confirm(self, tickets: Mapping[str, _Ticket]) -> None:
        if self._key not in tickets:
            raise UserError(
                f"registry.lease_seconds = {self._lease:g}: this process was silent for longer and lost its turn: "
                "run the command again"
            )
        if time.monotonic() - self._told > self._lease / 4:
            self._set(self._number)

    def _set(self, number: int) -> None:
        self._number, self._told = number, time.monotonic()
        self._beat += 1
        self._tags.write(self._key, f"{number} {self._beat} {self._owner}")

    def _tickets(self) -> dict[str, _Ticket]:
        return {key: _Ticket(key, value) for key, value in self._tags.read().items() if key.startswith(PREFIX)}

    def _await(self, recorder: Recorder) -> None:
        self._set(1 + max(ticket.number for ticket in self._tickets().values()))
        mine = (self._number, self._key)
        seen: dict[str, tuple[str, float]] = {}  # a ticket's value, and when it was first seen so, by this clock
        noted = False
        pause, longest = POLL_SECONDS
        while True:
            tickets = self._tickets()
            self._confirm(tickets)
            others = [ticket for key, ticket in tickets.items() if key != self._key]
            ahead = [ticket for ticket in others if ticket.number == CHOOSING or ticket.place < mine]
            if not ahead:
                return
            now = time.monotonic()
            for ticket in ahead:
                value, since = seen.get(ticket.key, ("", now))
                if ticket.dead:
                    self._tags.remove(ticket.key)
                elif value != ticket.value:
                    seen[ticket.key] = (ticket.value, now)
                elif now - since > self._lease:
                    recorder.note(f"store: {ticket.owner} has been silent for {self._lease:g} s: no longer waited for")
                    self._tags.remove(ticket.key)
                elif now - since > 2 and not noted:
                    recorder.note(f"store: waiting for {ticket.owner}")
                    noted = True
            time.sleep(pause)
            pause = min(1.5 * pause, longest)


@contextlib.contextmanager
def exclusive(tags: Tags, lease_seconds: float, recorder: Recorder) -> Iterator[Turn]:
    """Waits for the turn and keeps it; others wait meanwhile, in the order of their coming.

    A process that dies with its turn holds up others of its host no longer, and those elsewhere, who cannot ask for it,
    for `lease_seconds`, by the clock of each that waits: the clocks of several machines need not agree.

    Raises:
        UserError: this process was silent for longer than the lease while it waited.
    """
    turn = Turn(tags, lease_seconds)
    try:
        turn._await(recorder)
        yield turn
    finally:
        tags.remove(turn._key)
