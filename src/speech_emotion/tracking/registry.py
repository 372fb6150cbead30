"""Changes of the model registry: one champion, one challenger, and the reasons.

A version's tag `reason` says why it has or lacks an alias. One process makes changes at a time (store.locks). The order
of its writes keeps the registry consistent if the process is killed: first the version, then its reason, then the next
line of the history as a tag of the version, then the alias, and last the history. The next change adds what is missing.
"""

import getpass
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import requests
from mlflow.exceptions import MlflowException

from speech_emotion.errors import UserError
from speech_emotion.evaluation.comparison import Pair
from speech_emotion.params import Registry
from speech_emotion.recorder import Recorder
from speech_emotion.store.locks import Turn
from speech_emotion.tracking.connection import Store
from speech_emotion.tracking.gate import CHALLENGER, CHAMPION, Decision, Standing, decide
from speech_emotion.tracking.locking import model_lock
from speech_emotion.tracking.models import files_are_there
from speech_emotion.tracking.versions import (
    BEFORE,
    ELSEWHERE,
    HISTORY,
    KEY,
    PROMOTED,
    REASON,
    REGISTERED,
    ROLLED_BACK,
    Event,
    Presented,
    State,
    Version,
    champions_before,
    create_version,
    find_model,
    make_model,
    read_state,
    tag_version,
)

DECIDED, VERDICT = "decided", "verdict"  # alias given by the gate, and why; promotions change neither


@dataclass(frozen=True)
class Newcomer(Presented):
    """A model to be registered, and what the gate needs to know about it."""

    standing: Standing


@dataclass(frozen=True)
class Registered:
    """The outcome for a newcomer; `found`: it was registered before and nothing was changed."""

    version: int
    alias: str
    reason: str
    found: bool


def register(
    store: Store,
    params: Registry,
    newcomer: Newcomer,
    test: Callable[[Version], Pair],
    recorder: Recorder,
) -> Registered:
    """Registers a model if it is not registered yet; the gate decides whether it becomes champion or challenger.

    A model whose files the store has lost is registered again and takes over the aliases of its lost version.

    Args:
        store: the tracking store.
        params: parameters of the registry.
        newcomer: the model.
        test: runs the paired test of the newcomer against a version.
        recorder: prints notes.

    Raises:
        UserError: this process lost the lock (store.locks).
    """
    make_model(store, params.name, "Emotion of speech from its waveform. `champion` is what is served.")
    with model_lock(store, params.name, params.lease_seconds).turn(recorder.note) as turn:
        state = _reconciled(store, params.name, turn)
        same = [version for version in state.versions if version.tags.get(KEY) == newcomer.key]
        whole = [version for version in same if files_are_there(store, version.model)]
        for version in whole:
            if DECIDED in version.tags:
                return Registered(version.number, version.tags[DECIDED], _verdict(version), found=True)
        number = whole[0].number if whole else create_version(store, params.name, newcomer, turn)
        if whole and number == state.champion:  # its registration was killed before the end
            decision = Decision(CHAMPION, _verdict(whole[0]))
        else:
            lost = [version for version in same if version not in whole]
            decision = _inherited(lost) or _decided(state, newcomer, test, params)
            _announce(store, params.name, number, decision.reason, turn)
            tag_version(store, params.name, number, VERDICT, decision.reason)
            if decision.alias == CHAMPION:
                _crown(store, params.name, state, number, REGISTERED, decision.reason, turn)
            else:
                turn.confirm()
                store.client.set_registered_model_alias(params.name, CHALLENGER, str(number))
        turn.confirm()
        tag_version(store, params.name, number, DECIDED, decision.alias)
        return Registered(number, decision.alias, decision.reason, found=False)


def promote(store: Store, params: Registry, number: int, reason: str, recorder: Recorder) -> str:
    """Makes a version the champion by hand; returns a sentence that describes what was done.

    Args:
        store: the tracking store.
        params: parameters of the registry.
        number: of the version.
        reason: recorded with the change; a default if empty.
        recorder: prints notes.

    Raises:
        UserError: there is no such version, its files are gone, or this process lost the lock.
    """
    _exists(store, params.name)
    with model_lock(store, params.name, params.lease_seconds).turn(recorder.note) as turn:
        state = _reconciled(store, params.name, turn)
        version = state.version(number)
        if version is None:
            known = ", ".join(str(one.number) for one in state.versions)
            raise UserError(f"version {number}: {params.name} has no such version: must be one of {known}")
        if state.champion == number:
            return f"{params.name} version {number} is already champion"
        if not files_are_there(store, version.model):
            raise UserError(
                f"version {number}: its files are gone from the store: choose another (speech-emotion registry)"
            )
        reason = reason or "promoted by hand"
        _announce(store, params.name, number, reason, turn)
        _crown(store, params.name, state, number, PROMOTED, reason, turn)
        return f"{params.name} version {number} is now champion; before: {_named(state.champion)} ({reason})"


def rollback(store: Store, params: Registry, reason: str, recorder: Recorder) -> str:
    """Makes the previous champion champion again; returns a sentence that describes what was done.

    Each further call goes back one more. Versions that were deleted or whose files are gone are skipped.

    Args:
        store: the tracking store.
        params: parameters of the registry.
        reason: recorded with the change; a default if empty.
        recorder: prints notes.

    Raises:
        UserError: there was no champion before, or this process lost the lock.
    """
    _exists(store, params.name)
    with model_lock(store, params.name, params.lease_seconds).turn(recorder.note) as turn:
        state = _reconciled(store, params.name, turn)
        for number in reversed(champions_before(state.history)):
            version = state.version(number)
            if version is not None and number != state.champion and files_are_there(store, version.model):
                break
        else:
            raise UserError(
                f"{params.name}: no champion before {_named(state.champion)}: choose one: speech-emotion promote "
                "VERSION"
            )
        reason = reason or f"rolled back from {_named(state.champion)}"
        _announce(store, params.name, number, reason, turn)
        _crown(store, params.name, state, number, ROLLED_BACK, reason, turn)
        return f"{params.name} version {number} is champion again; before: {_named(state.champion)} ({reason})"


def _decided(state: State, newcomer: Newcomer, test: Callable[[Version], Pair], params: Registry) -> Decision:
    champion = state.version(state.champion)
    if champion is None:
        return decide(newcomer.standing, None, None, lambda: test(champion), params)
    try:
        standing = champion.standing
    except UserError as error:
        return Decision(CHALLENGER, f"not comparable: {error}")
    return decide(newcomer.standing, standing, champion.number, lambda: test(champion), params)


def _inherited(lost: list[Version]) -> Decision | None:
    """The alias of the same model's earlier versions, whose files are gone; None if they have none."""
    held = [version for version in lost if {CHAMPION, CHALLENGER} & set(version.aliases)]
    if not held:
        return None
    alias = CHAMPION if any(CHAMPION in version.aliases for version in held) else CHALLENGER
    return Decision(alias, f"the same model as version {held[-1].number}, whose files are gone from the store")


def _verdict(version: Version) -> str:
    return version.tags.get(VERDICT, version.tags[REASON])


def _announce(store: Store, name: str, number: int, reason: str, turn: Turn) -> None:
    turn.confirm()
    tag_version(store, name, number, REASON, reason)


def _crown(store: Store, name: str, state: State, number: int, how: str, reason: str, turn: Turn) -> None:
    """Moves the alias and records the previous champion, the reason, the time and the user."""
    turn.confirm()
    event = Event(number, state.champion, how, reason, _user(), _now())
    tag_version(store, name, number, BEFORE, str(state.champion or "none"))
    tag_version(store, name, number, _line(state.history), _text(event))
    store.client.set_registered_model_alias(name, CHAMPION, str(number))
    turn.confirm()
    _record(store, name, state.history, _text(event))
    if state.challenger == number:
        _take_away_challenger(store, name)


def _take_away_challenger(store: Store, name: str) -> None:
    """Deletes the alias if this user may: it needs more rights than moving one, and read_state() does without."""
    try:
        store.client.delete_registered_model_alias(name, CHALLENGER)
    except MlflowException as error:
        if error.get_http_status_code() != requests.codes.forbidden:
            raise


def _reconciled(store: Store, name: str, turn: Turn) -> State:
    """Reads the state; first adds missing lines to the history: changes by other means, or by a killed process."""
    state = read_state(store, name)
    last = state.history[-1].champion if state.history else None
    if state.champion is None or state.champion == last:
        return state
    turn.confirm()
    version = state.version(state.champion)
    tags = version.tags if version else {}
    reason = tags.get(REASON) or "no reason is known"
    elsewhere = _text(Event(state.champion, last, ELSEWHERE, reason, _user(), _now()))
    _record(store, name, state.history, tags.get(_line(state.history), elsewhere))
    return read_state(store, name)


def _line(history: tuple[Event, ...]) -> str:
    """The tag for the next change of the champion, both of the model and of the new champion's version."""
    return f"{HISTORY}{len(history) + 1:04}"


def _text(event: Event) -> str:
    return json.dumps(event.__dict__, ensure_ascii=False)


def _record(store: Store, name: str, history: tuple[Event, ...], text: str) -> None:
    store.client.set_registered_model_tag(name, _line(history), text)


def _exists(store: Store, name: str) -> None:
    if find_model(store, name) is None:
        raise UserError(f"registry.name = {name}: nothing is registered yet: run make run (dvc repro) first")


def _named(number: int | None) -> str:
    return "none" if number is None else f"version {number}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
