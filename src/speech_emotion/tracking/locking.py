"""One process at a time on a registered model, whatever the store: a database file, a database server, a server.

MLflow's registry has no transaction over several calls, and over HTTP no lock of the database can be reached. What
every store has are single reads and writes that are atomic, and these suffice for Lamport's bakery (Lamport 1974, "A
new solution of Dijkstra's concurrent programming problem"): each process keeps a ticket among the model's tags, takes a
number above all that it sees, and waits until no lower one is left.
"""

import contextlib
import os
import platform
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import mlflow

from speech_emotion.errors import UserError
from speech_emotion.recorder import Recorder

PREFIX = "lock."
POLL_SECONDS = (0.1, 2.0)  # between two looks: at first, and at most; every look costs a server its password check
CHOOSING = 0


@dataclass(frozen=True)
class _Ticket:
    """A process that waits or works; `number` is CHOOSING until it has one."""

    key: str
    value: str

    @property
    def number(self) -> int:
        return int(self.value.split(" ", 1)[0])

    @property
    def owner(self) -> str:
        return self.value.split(" ", 2)[2]

    @property
    def place(self) -> tuple[int, str]:
        return self.number, self.key


class Turn:
    """The right to change the model, held for the length of `exclusive`."""

    def __init__(self, client: mlflow.MlflowClient, model: str, lease_seconds: float):
        self._client, self._model, self._lease = client, model, lease_seconds
        self._key = PREFIX + uuid.uuid4().hex
        self._owner = f"{platform.node()} process {os.getpid()}"
        self._beat = 0
        self._set(CHOOSING)

    def confirm(self) -> None:
        """Says that this process is alive; to be called before each change of the model.

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
        self._client.set_registered_model_tag(self._model, self._key, f"{number} {self._beat} {self._owner}")

    def _tickets(self) -> dict[str, _Ticket]:
        tags = self._client.get_registered_model(self._model).tags
        return {key: _Ticket(key, value) for key, value in tags.items() if key.startswith(PREFIX)}

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
                if value != ticket.value:
                    seen[ticket.key] = (ticket.value, now)
                elif now - since > self._lease:
                    recorder.note(
                        f"registry: {ticket.owner} has been silent for {self._lease:g} s: no longer waited for"
                    )
                    _remove(self._client, self._model, ticket.key)
                elif now - since > 2 and not noted:
                    recorder.note(f"registry: waiting for {ticket.owner}")
                    noted = True
            time.sleep(pause)
            pause = min(1.5 * pause, longest)


@contextlib.contextmanager
def exclusive(client: mlflow.MlflowClient, model: str, lease_seconds: float, recorder: Recorder) -> Iterator[Turn]:
    """Waits for the turn and keeps it; others wait meanwhile, in the order of their coming.

    A process that dies with its turn holds up the others for `lease_seconds`, measured by the clock of each that waits,
    so that the clocks of several machines need not agree.

    Args:
        model: name of a registered model that exists.

    Raises:
        UserError: this process was silent for longer than the lease while it waited.
    """
    turn = Turn(client, model, lease_seconds)
    try:
        turn._await(recorder)
        yield turn
    finally:
        _remove(client, model, turn._key)


def _remove(client: mlflow.MlflowClient, model: str, key: str) -> None:
    """Deletes a tag; one that is gone already is no fault."""
    client.delete_registered_model_tag(model, key)
