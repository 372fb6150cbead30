"""Releases the champion: finds the version that is due, checks its files, and records what was released last.

The alias `released` of the registered model is the version that was released last, and its tag `released.digest` the
hash of its files. The champion is due if either differs.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from speech_emotion.errors import UserError
from speech_emotion.export.check import compare, exported_probabilities
from speech_emotion.export.files import CARD, CHECK, FP32, INT8
from speech_emotion.export.operators import check_operators
from speech_emotion.inference.bundle import check_file, read_bundle
from speech_emotion.params import Registry, Track
from speech_emotion.randomness import generator
from speech_emotion.recorder import Recorder
from speech_emotion.store.hashing import hash_json, sha256_file
from speech_emotion.tracking.connection import open_store
from speech_emotion.tracking.download import downloaded_model
from speech_emotion.tracking.locking import model_lock
from speech_emotion.tracking.versions import read_state

RELEASED = "released"  # alias of the registered model
DIGEST = "released.digest"  # tag of a version
WINDOWS = 16  # of noise, on which both forms are run
SUM_TOLERANCE = 1e-3  # of the probabilities of one window


@dataclass(frozen=True)
class Release:
    """A version of the registered model, and the hash of its files."""

    version: int
    digest: str

    def __str__(self) -> str:
        return f"{self.version}:{self.digest}"

    @classmethod
    def parse(cls, text: str) -> "Release":
        version, _, digest = text.partition(":")
        if not version.isdecimal() or not digest:
            raise UserError(f"release = {text}: must be VERSION:DIGEST, as the gate gives it")
        return cls(int(version), digest)


def due(track: Track, registry: Registry, recorder: Recorder) -> Release | None:
    """The champion, or None if it was released last.

    Args:
        track: address of the store, and its experiment.
        registry: parameters of the registry.
        recorder: prints notes.

    Raises:
        UserError: the store cannot be reached, there is no champion, or its files are gone.
    """
    with open_store(track.uri, track.experiment) as store:
        state = read_state(store, registry.name)
    champion = state.version(state.champion)
    if champion is None:
        raise UserError(
            f"registry.name = {registry.name}: has no champion: run pipeline train (or dvc repro), or choose one: "
            "speech-emotion promote VERSION"
        )
    with downloaded_model(f"models:/{registry.name}/{champion.number}", track.uri, track.experiment) as folder:
        found = Release(champion.number, digest_of(folder))
    if RELEASED in champion.aliases and champion.tags.get(DIGEST) == found.digest:
        recorder.note(f"release: {registry.name} version {found.version} is already released: nothing to do")
        return None
    recorder.note(f"release: {registry.name} version {found.version} is due")
    return found


def fetch(release: Release, track: Track, registry: Registry, target: Path) -> dict[str, Any]:
    """Checks the files of a release and copies them to a folder.

    Args:
        release: what due() returned.
        track: address of the store, and its experiment.
        registry: parameters of the registry.
        target: a folder that does not exist yet.

    Returns:
        What check_export() returned.

    Raises:
        UserError: the files in the store are not those of the release, or they are faulty.
    """
    model = f"models:/{registry.name}/{release.version}"
    with downloaded_model(model, track.uri, track.experiment) as folder:
        if (found := digest_of(folder)) != release.digest:
            raise UserError(f"{model}: its files are {found}, the gate saw {release.digest}: run the pipeline again")
        facts = check_export(folder)
        shutil.copytree(folder, target)
    return facts


def record(release: Release, track: Track, registry: Registry, recorder: Recorder) -> Release | None:
    """Records in the registry that a version was released; recording it again changes nothing.

    Args:
        release: the version and the hash of its files.
        track: address of the store, and its experiment.
        registry: parameters of the registry.
        recorder: prints notes.

    Returns:
        The release before, or None.

    Raises:
        UserError: the store cannot be reached, or the version is gone.
    """
    with (
        open_store(track.uri, track.experiment) as store,
        model_lock(store, registry.name, registry.lease_seconds).turn(recorder.note) as turn,
    ):
        state = read_state(store, registry.name)
        if state.version(release.version) is None:
            raise UserError(
                f"{registry.name} version {release.version}: is gone from the registry: run the pipeline again"
            )
        before = next((version for version in state.versions if RELEASED in version.aliases), None)
        turn.confirm()
        store.client.set_model_version_tag(registry.name, str(release.version), DIGEST, release.digest)
        store.client.set_registered_model_alias(registry.name, RELEASED, str(release.version))
    recorder.note(f"release: {registry.name} version {release.version} is released")
    return Release(before.number, before.tags.get(DIGEST, "")) if before else None


def digest_of(folder: Path) -> str:
    """A hash of the files of an export: their contents and their names within the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hash_json({path.relative_to(folder).as_posix(): sha256_file(path) for path in files})[:16]


def check_export(folder: Path) -> dict[str, Any]:
    """Checks that an export is complete, that the device can read it, and that both forms give probabilities.

    Args:
        folder: output of the export step.

    Returns:
        `system`; for `fp32` and `int8` their `bytes` and `nodes`; `agreement`, the share of windows of noise for which
        both forms predict the same emotion.

    Raises:
        UserError: a file is missing or was changed, a graph has operators that the device does not support, or its
            outputs are not probabilities.
    """
    bundle = read_bundle(folder)
    for name in (*bundle.sha256, FP32, INT8):
        check_file(bundle, name)
    for name in (CARD, CHECK):
        if not (folder / name).is_file():
            raise UserError(f"{folder.name}/{name}: is not there: run the export step again")
    draw = generator(0, "release")
    windows = [
        draw.normal(scale=0.1, size=bundle.window_samples).astype(np.float32).clip(-1, 1) for _ in range(WINDOWS)
    ]
    facts: dict[str, Any] = {"system": json.loads((folder / "bundle.json").read_text(encoding="utf-8"))["system"]}
    answers = {}
    for name in (FP32, INT8):
        content = (folder / name).read_bytes()
        try:
            model = onnx.load_from_string(content)
            onnx.checker.check_model(model)
        except (DecodeError, onnx.checker.ValidationError) as error:
            raise UserError(f"{name}: is no valid ONNX graph ({str(error).splitlines()[0]}): export it again") from None
        nodes = sum(check_operators(model).values())
        answers[name] = _answers(name, content, windows, len(bundle.labels))
        facts[name.removesuffix(".onnx")] = {"bytes": len(content), "nodes": nodes}
    facts["agreement"] = compare(answers[FP32], answers[INT8])["agreement"]
    return facts


def _answers(name: str, content: bytes, windows: list[np.ndarray], classes: int) -> np.ndarray:
    answers = exported_probabilities(content, windows)
    sound = answers.shape == (len(windows), classes) and np.isfinite(answers).all() and (answers >= 0).all()
    if not sound or np.abs(answers.sum(axis=1) - 1).max() > SUM_TOLERANCE:
        raise UserError(f"{name}: its outputs are not probabilities of {classes} emotions: export it again")
    return answers
