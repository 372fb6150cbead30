"""Models without content for the registry, and two processes that register and promote at the same time."""

import itertools
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from speech_emotion.evaluation.comparison import Pair
from speech_emotion.params import Registry
from speech_emotion.recorder import Recorder
from speech_emotion.tracking.connection import Store, open_store
from speech_emotion.tracking.gate import Standing
from speech_emotion.tracking.lease import PREFIX
from speech_emotion.tracking.registry import Newcomer, Registered, promote, register
from speech_emotion.tracking.versions import State, read_state

PARAMS = Registry(name="speech-emotion", min_gain_points=1.0, alpha=0.05, lease_seconds=600)
STANDING = Standing(corpus="emodb", protocol="emodb-loso", data="ab" * 32, tested="1", synthetic=False, ua=70.0)
QUIET = Recorder(quiet=True)
EXPERIMENT = "speech-emotion"


def logged(store: Store, folder: Path) -> tuple[str, str]:
    """A model of a run that holds one file, as the registry needs it."""
    run = store.client.create_run(store.experiment)
    model = store.client.create_logged_model(store.experiment, "recogniser", run.info.run_id)
    (folder / "MLmodel").write_text("flavors: {}\n")
    store.client.log_model_artifact(model.model_id, str(folder / "MLmodel"))
    store.client.finalize_logged_model(model.model_id, "READY")
    return model.model_id, run.info.run_id


def newcomer(store: Store, folder: Path, key: str, **standing) -> Newcomer:
    """A model to be registered; `standing` holds the differences from STANDING."""
    model, run = logged(store, folder)
    held = replace(STANDING, **standing)
    tags = {
        "corpus": held.corpus,
        "protocol": held.protocol,
        "data": held.data,
        "tested": held.tested,
        "synthetic": str(held.synthetic).lower(),
        "ua": str(held.ua),
    }
    return Newcomer(key=key, model=model, run=run, standing=held, tags=tags, description="A *model*.")


def add(store: Store, folder: Path, key: str, test=lambda version: alike(1.0), **standing) -> Registered:
    return register(store, PARAMS, newcomer(store, folder, key, **standing), test, QUIET)


def alike(p: float) -> Pair:
    """Result of a paired test of two nearly equal models; the first one is a little better."""
    return Pair("t1", "t1", 0.705, 0.7, 0.005, p, 1, 0, 1.0)


def state(store: Store) -> State:
    return read_state(store, PARAMS.name)


def two_at_once(uri: str, folder: Path, rounds: int, users: Sequence[Mapping[str, str]] = ({}, {})) -> State:
    """Two processes register and promote at once, from a store that lacks the model; the registry must stay sound.

    Of each round's models one is registered by both; each then moves the champion.

    Args:
        users: environment of each process.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    names = ("one", "two")
    workers = []
    for name, user in zip(names, users, strict=True):
        (folder / name).mkdir()
        arguments = (uri, folder / name, barrier, name, rounds, dict(user))
        workers.append(context.Process(target=_register, args=arguments, daemon=True))
        workers[-1].start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    with open_store(uri, EXPERIMENT) as store:
        now = state(store)
        tags = store.client.get_registered_model(PARAMS.name).tags
    keys = [version.tags["key"] for version in now.versions]
    assert sorted(keys) == sorted(f"{name}-{turn}" for name in ("both", *names) for turn in range(rounds))
    assert not [key for key in tags if key.startswith(PREFIX)]
    assert now.history[0].before is None
    for event, following in itertools.pairwise(now.history):
        assert following.before == event.champion
        assert following.how != "moved elsewhere"
    assert now.champion == now.history[-1].champion
    assert all("decided" in version.tags for version in now.versions)
    return now


def _register(uri: str, folder: Path, barrier, name: str, rounds: int, user: dict[str, str]) -> None:
    os.environ.update(user)
    try:
        barrier.wait()  # the store may have no tables yet
        with open_store(uri, EXPERIMENT) as store:
            for turn in range(rounds):
                barrier.wait()
                add(store, folder, f"both-{turn}", ua=60.0 + turn)
                add(store, folder, f"{name}-{turn}", ua=60.5 + turn)
                promote(store, PARAMS, 1 + turn % 2, name, QUIET)
    except BaseException:
        barrier.abort()  # or the other process waits for ever
        raise
