"""Device bundles as versions of a registered model of their own, each linked to the version from which it was made.

A bundle is registered only once, however often it is made: its key hashes the source's key and the bundle's checksums,
without those of its synthesised samples. One process makes changes at a time (store.locks). If it is killed, the next
call completes or repeats its changes.
"""

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import LoggedModelStatus, Run
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE, MLFLOW_SOURCE_NAME

from speech_emotion.errors import UserError
from speech_emotion.evaluation.metrics import headline_figures
from speech_emotion.export.device import ARCHIVE, SAMPLES, make_device_bundle, pack
from speech_emotion.export.files import BUNDLE, CARD, OPERATORS_CARD
from speech_emotion.params import Registry, Track
from speech_emotion.recorder import Recorder
from speech_emotion.store.hashing import hash_json, sha256_file
from speech_emotion.store.locks import Turn
from speech_emotion.tracking.connection import Store, open_store
from speech_emotion.tracking.download import downloaded_model
from speech_emotion.tracking.gate import CHAMPION
from speech_emotion.tracking.locking import model_lock
from speech_emotion.tracking.models import delete_models, files_are_there, models_of
from speech_emotion.tracking.tags import COMPLETE, KIND
from speech_emotion.tracking.versions import (
    KEY,
    Presented,
    Version,
    create_version,
    make_model,
    read_state,
    tag_version,
)
from speech_emotion_jetson.checksums import CHECKSUMS
from speech_emotion_jetson.signature import SIGNATURE

SUFFIX = "-jetson"  # appended to the name of the registered model from which bundles are made
DEVICE = "device"  # kind of the run that presents a bundle
LOGGED = "device-bundle"  # name of the logged model
MADE_BY = "speech-emotion device-bundle"
ADDRESS = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")
KEPT = (  # tags that a bundle copies from its source, besides the headline figures
    "corpus", "protocol", "data", "synthetic", "licences", "system", "title", "revision",
)  # fmt: skip
SHOWN = (BUNDLE, CARD, OPERATORS_CARD, CHECKSUMS, SIGNATURE)  # next to the archive, to be read on MLflow's pages


@dataclass(frozen=True)
class Source:
    """The version from which a bundle is made."""

    name: str
    version: Version

    @property
    def address(self) -> str:
        return f"models:/{self.name}/{self.version.number}"


@dataclass(frozen=True)
class Bundled:
    """A registered bundle; `found`: it was registered before this call."""

    name: str
    version: int
    found: bool


def make_from_registry(
    model: str,
    track: Track,
    registry: Registry,
    recorder: Recorder,
    output: Path | None = None,
    key: Path | None = None,
    register: bool = False,
) -> str:
    """Makes the device bundle of a registered model; returns sentences that describe what was done.

    Args:
        model: models:/name@alias or models:/name/version.
        track: address of the store, and its experiment.
        registry: parameters of the registry.
        recorder: prints notes.
        output: folder or .tar.gz to write; None to write neither.
        key: private Ed25519 key of OpenSSH to sign the bundle with; None for no signature.
        register: make it a version of the registered model <name>-jetson.

    Raises:
        UserError: there is no such version, it is incomplete, or the store cannot be reached.
    """
    with open_store(track.uri, track.experiment) as store:
        source = find_source(store, model)
    said = []
    with (
        downloaded_model(source.address, track.uri, track.experiment) as exported,
        tempfile.TemporaryDirectory() as scratch,
    ):
        if output is not None:
            make_device_bundle(exported, output, source=source.address, key=key)
            said.append(f"{output}: made from {source.address}")
        if register:
            made = make_device_bundle(exported, Path(scratch) / (source.name + SUFFIX), source=source.address, key=key)
            with open_store(track.uri, track.experiment) as store:
                bundled = register_bundle(store, registry, source, made, recorder)
            verb = "is" if bundled.found else "is now"
            said.append(f"{source.address}: its bundle {verb} {bundled.name} version {bundled.version}")
    return "\n".join(said)


def find_source(store: Store, model: str) -> Source:
    """The version at an address.

    Args:
        store: the tracking store.
        model: models:/name@alias or models:/name/version.

    Raises:
        UserError: it is not the address of a registered model, or there is no such version.
    """
    address = ADDRESS.fullmatch(model)
    if address is None:
        raise UserError(f"model = {model}: must be models:/NAME@ALIAS or models:/NAME/VERSION")
    state = read_state(store, address["name"])
    wanted = [
        version
        for version in state.versions
        if address["alias"] in version.aliases or str(version.number) == address["version"]
    ]
    if not wanted:
        raise UserError(f"model = {model}: there is no such version: choose one (speech-emotion registry)")
    return Source(address["name"], wanted[0])


def register_bundle(store: Store, params: Registry, source: Source, made: Path, recorder: Recorder) -> Bundled:
    """Registers a bundle if it is not registered yet, and links it and its source to each other.

    Args:
        store: the tracking store.
        params: parameters of the registry.
        source: the version from which the bundle was made.
        made: the bundle's folder.
        recorder: prints notes.

    Raises:
        UserError: this process lost the lock (store.locks).
    """
    name = source.name + SUFFIX
    make_model(
        store,
        name,
        f"Bundles for a Jetson, made from the versions of {source.name}: model, runtime, engines' recipes. `champion` "
        f"is made from the champion of {source.name}.",
    )
    key = _key(source, made)
    archive = name + ARCHIVE
    with model_lock(store, name, params.lease_seconds).turn(recorder.note) as turn:
        same = [version for version in read_state(store, name).versions if version.tags.get(KEY) == key]
        whole = [version.number for version in same if files_are_there(store, version.model, archive)]
        if whole:
            number = whole[0]
        else:
            presented = _presented(store, source, made, key, archive, turn)
            number = create_version(store, name, presented, turn)
        turn.confirm()
        tag_version(store, source.name, source.version.number, "jetson", f"{name}/{number}")
        if read_state(store, source.name).champion == source.version.number:  # read again: it may have changed
            turn.confirm()
            store.client.set_registered_model_alias(name, CHAMPION, str(number))
    return Bundled(name, number, found=bool(whole))


def _key(source: Source, made: Path) -> str:
    lines = (made / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    sums = [line for line in lines if f"  {SAMPLES}/" not in line]
    signature = made / SIGNATURE
    return hash_json([source.version.tags.get(KEY), sums, sha256_file(signature) if signature.is_file() else None])


def _presented(store: Store, source: Source, made: Path, key: str, archive: str, turn: Turn) -> Presented:
    """The bundle as a logged model of a run. Uses what a killed process left if it is complete, else deletes it."""
    tags = _tags(source, made)
    run = None
    for found in store.client.search_runs([store.experiment], f"tags.`{KIND}` = '{DEVICE}' and tags.`{KEY}` = '{key}'"):
        models = models_of(store, found.info.run_id)
        if COMPLETE in found.data.tags and any(files_are_there(store, one.model_id, archive) for one in models):
            run = found
        else:
            turn.confirm()
            delete_models(store, found.info.run_id)
            store.client.delete_run(found.info.run_id)
    run = run or _log(store, source, made, key, archive, tags, turn)
    card = (made / CARD).read_text(encoding="utf-8").partition("\n## ")[0].strip()
    described = f"{card}\n\n- Made from {source.name} version {source.version.number}, run `{source.version.run}`\n"
    (model,) = models_of(store, run.info.run_id)
    return Presented(key, model.model_id, run.info.run_id, tags, described)


def _tags(source: Source, made: Path) -> dict[str, str]:
    kept = {name: source.version.tags[name] for name in (*KEPT, *headline_figures()) if name in source.version.tags}
    return {
        **kept,
        "source_name": source.name,
        "source_version": str(source.version.number),
        "source_run": source.version.run,
        "source_key": source.version.tags.get(KEY, ""),
        "signed": str((made / SIGNATURE).is_file()).lower(),
    }


def _log(store: Store, source: Source, made: Path, key: str, archive: str, tags: Mapping[str, str], turn: Turn) -> Run:
    turn.confirm()
    title = f"{tags.get('system', source.name)} for Jetson"
    note = f"The device bundle of {source.address}: `{archive}` among the model's artifacts."
    own = {KIND: DEVICE, KEY: key, MLFLOW_SOURCE_NAME: MADE_BY, MLFLOW_RUN_NOTE: note}
    run = store.client.create_run(store.experiment, tags={**tags, **own}, run_name=title)
    model = store.client.create_logged_model(store.experiment, LOGGED, run.info.run_id, tags=dict(tags))
    with tempfile.TemporaryDirectory() as folder:
        for name in SHOWN:
            if (made / name).is_file():
                shutil.copyfile(made / name, Path(folder) / name)
        pack(made, Path(folder) / archive)
        store.client.log_metric(run.info.run_id, "archive_bytes", (Path(folder) / archive).stat().st_size)
        store.client.log_model_artifacts(model.model_id, folder)
    store.client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    store.client.set_tag(run.info.run_id, COMPLETE, key)
    store.client.set_terminated(run.info.run_id)
    turn.confirm()
    return run
