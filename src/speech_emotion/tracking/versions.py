"""Reads the model registry: versions with their tags, the champion, the challenger, and the former champions.

The alias marks the champion; tags `history.NNNN` of the registered model record the former ones, with time and reason.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST, ErrorCode

from speech_emotion.errors import UserError
from speech_emotion.store.locks import Turn
from speech_emotion.tracking.connection import Store
from speech_emotion.tracking.gate import CHALLENGER, CHAMPION, Standing

KEY, REASON, BEFORE = "key", "reason", "champion_before"  # tags of a version
HISTORY = "history."  # tags of the registered model
REGISTERED, PROMOTED, ROLLED_BACK, ELSEWHERE = "registered", "promoted", "rolled back", "moved elsewhere"  # how
PAGE = 200


@dataclass(frozen=True)
class Presented:
    """What is needed to make a version.

    Attributes:
        key: hash that identifies its content; the same key is never registered twice.
        model: id of the logged model that holds its files.
        run: id of the run that presents it.
        tags: lineage and figures, the later tags of the version.
        description: Markdown.
    """

    key: str
    model: str
    run: str
    tags: Mapping[str, str]
    description: str


@dataclass(frozen=True)
class Version:
    """A version of the registered model: its number, aliases and tags."""

    number: int
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    model: str
    run: str

    @property
    def standing(self) -> Standing:
        """What the gate needs to know.

        Raises:
            UserError: tags are missing, since the version was not registered by the current project.
        """
        try:
            return Standing(
                corpus=self.tags["corpus"],
                protocol=self.tags["protocol"],
                data=self.tags["data"],
                tested=self.tags["tested"],
                synthetic=self.tags["synthetic"] == "true",
                ua=float(self.tags["ua"]),
            )
        except (KeyError, ValueError) as error:
            raise UserError(
                f"version {self.number}: has no tag {error}: it was registered by other means or an earlier revision"
            ) from None


@dataclass(frozen=True)
class Event:
    """One change of the champion; `before` is None if there was none."""

    champion: int
    before: int | None
    how: str
    reason: str
    by: str
    at: str


@dataclass(frozen=True)
class State:
    """The registered model: its versions and the changes of its champion, both from the first."""

    versions: tuple[Version, ...]
    champion: int | None
    challenger: int | None
    history: tuple[Event, ...]

    def version(self, number: int | None) -> Version | None:
        """The version with that number; None if there is none."""
        return next((version for version in self.versions if version.number == number), None)


def read_state(store: Store, name: str) -> State:
    """Reads the registered model of that name; if there is none, the state has no versions."""
    model = find_model(store, name)
    if model is None:
        return State((), None, None, ())
    events = sorted((key, value) for key, value in model.tags.items() if key.startswith(HISTORY))
    history = tuple(Event(**json.loads(value)) for _, value in events)
    aliases = {alias: int(number) for alias, number in model.aliases.items()}
    crowned = {aliases.get(CHAMPION), *(event.champion for event in history)}
    if aliases.get(CHALLENGER) in crowned:  # the alias could not be deleted when it was promoted
        aliases.pop(CHALLENGER, None)
    versions = []
    token = None
    while True:
        page = store.client.search_model_versions(f"name = '{name}'", max_results=PAGE, page_token=token)
        versions += [_version(version, aliases) for version in page]
        token = page.token
        if not token:
            break
    return State(
        versions=tuple(sorted(versions, key=lambda version: version.number)),
        champion=aliases.get(CHAMPION),
        challenger=aliases.get(CHALLENGER),
        history=history,
    )


def champions_before(history: tuple[Event, ...]) -> list[int]:
    """The champions before the current one, from the first, without those that were rolled back."""
    line: list[int] = []
    for event in history:
        if event.how == ROLLED_BACK and event.champion in line:
            while line[-1] != event.champion:
                line.pop()
        elif not line or line[-1] != event.champion:
            line.append(event.champion)
    return line[:-1]


def make_model(store: Store, name: str, description: str) -> None:
    """Creates a registered model if there is none of that name."""
    if find_model(store, name) is None:
        try:
            store.client.create_registered_model(name, description=description)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):  # another process was faster
                raise


def create_version(store: Store, name: str, presented: Presented, turn: Turn) -> int:
    """Creates the next version and returns its number.

    Args:
        store: the tracking store.
        name: of the registered model.
        presented: what the version is made of.
        turn: the lock that this process holds.
    """
    turn.confirm()
    version = store.client.create_model_version(
        name,
        source=f"models:/{presented.model}",
        run_id=presented.run,
        tags={**presented.tags, KEY: presented.key},
        description=presented.description,
        model_id=presented.model,
    )
    return int(version.version)


def tag_version(store: Store, name: str, number: int, key: str, value: Any) -> None:
    """Sets a tag of a version."""
    store.client.set_model_version_tag(name, str(number), key, str(value))


def find_model(store: Store, name: str) -> RegisteredModel | None:
    """MLflow's registered model of that name; None if there is none."""
    try:
        return store.client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            return None
        raise


def _version(version: ModelVersion, aliases: Mapping[str, int]) -> Version:
    number = int(version.version)
    return Version(
        number=number,
        aliases=tuple(sorted(alias for alias, other in aliases.items() if other == number)),
        tags=dict(version.tags),
        model=version.model_id or version.source.removeprefix("models:/"),
        run=version.run_id or "",
    )
