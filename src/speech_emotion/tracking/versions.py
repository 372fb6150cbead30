"""What the model registry holds: versions with their tags, who is champion and challenger, and who was before.

The alias says who is champion; tags `history.NNNN` of the registered model say who was before, when and why.
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
    """What a version is made of.

    Attributes:
        key: hash of all that makes it another; the same key is never registered twice.
        model: id of the logged model that holds its files.
        run: id of the run that presents it.
        tags: lineage and figures, as the version keeps them.
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
        """What the gate must know.

        Raises:
            UserError: the version was not registered by this project as it is now, so that it lacks figures.
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
    """One change of the champion: `before` is None where there was none."""

    champion: int
    before: int | None
    how: str
    reason: str
    by: str
    at: str


@dataclass(frozen=True)
class State:
    """The registered model as a whole: versions from the first, and the changes of the champion from the first."""

    versions: tuple[Version, ...]
    champion: int | None
    challenger: int | None
    history: tuple[Event, ...]

    def version(self, number: int | None) -> Version | None:
        """The version of that number; None where there is none."""
        return next((version for version in self.versions if version.number == number), None)


def read_state(store: Store, name: str) -> State:
    """The registered model of that name; without versions where there is none."""
    model = find_model(store, name)
    if model is None:
        return State((), None, None, ())
    events = sorted((key, value) for key, value in model.tags.items() if key.startswith(HISTORY))
    history = tuple(Event(**json.loads(value)) for _, value in events)
    aliases = {alias: int(number) for alias, number in model.aliases.items()}
    crowned = {aliases.get(CHAMPION), *(event.champion for event in history)}
    if aliases.get(CHALLENGER) in crowned:  # the alias could not be taken away when it was promoted
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
    """The champions before the present one, from the first: those that were rolled back are not among them."""
    line: list[int] = []
    for event in history:
        if event.how == ROLLED_BACK and event.champion in line:
            while line[-1] != event.champion:
                line.pop()
        elif not line or line[-1] != event.champion:
            line.append(event.champion)
    return line[:-1]


def make_model(store: Store, name: str, description: str) -> None:
    """Makes a registered model where there is none of that name."""
    if find_model(store, name) is None:
        try:
            store.client.create_registered_model(name, description=description)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):  # another process was quicker
                raise


def create_version(store: Store, name: str, presented: Presented, turn: Turn) -> int:
    """Makes the next version; returns its number."""
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
    """The registered model as MLflow has it; None where there is none of that name."""
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
