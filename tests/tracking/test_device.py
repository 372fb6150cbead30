"""Device bundles in the registry."""

import json
import subprocess
import tarfile
from pathlib import Path

import mlflow
import pytest

from made_up_device import write_whole_export
from speech_emotion.errors import UserError
from speech_emotion.export.device import make_device_bundle
from speech_emotion.params import Registry, Track
from speech_emotion.store.hashing import sha256_file
from speech_emotion.tracking import device
from speech_emotion.tracking.connection import open_store
from speech_emotion.tracking.device import make_from_registry
from speech_emotion.tracking.versions import read_state
from told import Told

NAME, DEVICE = "speech-emotion", "speech-emotion-jetson"
REGISTRY = Registry(name=NAME, min_gain_points=1.0, alpha=0.05, lease_seconds=60)
CHAMPION = f"models:/{NAME}@champion"


@pytest.fixture
def track(new_database):
    return Track(uri=new_database(), experiment=NAME, live=False, sample_seconds=10)


@pytest.fixture
def add(track, tmp_path):
    """Registers an export as the next version; the first one is champion."""

    def added(without: str = "", **changed) -> int:
        with open_store(track.uri, track.experiment) as store:
            known = read_state(store, NAME).versions
            folder = write_whole_export(tmp_path / f"export-{len(known) + 1}", **changed)
            if without:
                (folder / without).unlink()
            run = store.client.create_run(store.experiment).info.run_id
            model = store.client.create_logged_model(store.experiment, "recogniser", run).model_id
            store.client.log_model_artifacts(model, str(folder))
            store.client.finalize_logged_model(model, "READY")
            if not known:
                store.client.create_registered_model(NAME)
            tags = {"key": f"key-{len(known) + 1}", "corpus": "demo", "protocol": "demo-speakers", "system": "t0"}
            made = store.client.create_model_version(NAME, f"models:/{model}", run, tags, model_id=model)
            if not known:
                store.client.set_registered_model_alias(NAME, "champion", made.version)
        return int(made.version)

    return added


def register(track, model=CHAMPION, **more) -> str:
    return make_from_registry(model, track, REGISTRY, Told(), register=True, **more)


def state(track, name=DEVICE):
    with open_store(track.uri, track.experiment) as store:
        return read_state(store, name)


def runs(track):
    with open_store(track.uri, track.experiment) as store:
        return store.client.search_runs([store.experiment], "tags.kind = 'device'")


def fetch(track, number, folder) -> Path:
    """The archive of a registered bundle, unpacked."""
    with open_store(track.uri, track.experiment):
        mlflow.artifacts.download_artifacts(artifact_uri=f"models:/{DEVICE}/{number}", dst_path=str(folder))
    with tarfile.open(folder / f"{DEVICE}.tar.gz") as tar:
        tar.extractall(folder, filter="data")
    return folder / DEVICE


def test_the_champions_bundle_is_registered_and_linked_both_ways(track, add, tmp_path):
    add()
    assert register(track) == f"models:/{NAME}/1: its bundle is now {DEVICE} version 1"
    (version,) = state(track).versions
    (source,) = state(track, NAME).versions
    assert {name: version.tags[name] for name in ("source_name", "source_version", "source_run", "source_key")} == {
        "source_name": NAME,
        "source_version": "1",
        "source_run": source.run,
        "source_key": "key-1",
    }
    assert (version.tags["corpus"], version.tags["system"], version.tags["signed"]) == ("demo", "t0", "false")
    assert version.aliases == ("champion",)
    assert source.tags["jetson"] == f"{DEVICE}/1"
    unpacked = fetch(track, 1, tmp_path / "fetched")
    subprocess.run(["sha256sum", "--check", "--quiet", "checksums.sha256"], cwd=unpacked, check=True)
    assert json.loads((unpacked / "bundle.json").read_text())["source"] == f"models:/{NAME}/1"
    (run,) = runs(track)
    assert run.info.run_id == version.run and run.info.status == "FINISHED"
    assert run.data.metrics["archive_bytes"] == (tmp_path / f"fetched/{DEVICE}.tar.gz").stat().st_size


def test_a_second_call_finds_the_bundle_and_makes_no_second_run(track, add):
    add()
    register(track)
    before = state(track)
    assert register(track) == f"models:/{NAME}/1: its bundle is {DEVICE} version 1"
    assert register(track, f"models:/{NAME}/1") == f"models:/{NAME}/1: its bundle is {DEVICE} version 1"
    assert state(track) == before and len(runs(track)) == 1


def test_another_version_gets_its_own_bundle_and_the_alias_follows_the_champion(track, add):
    add()
    add(title="T0 the second")
    register(track, f"models:/{NAME}/2")
    assert state(track).champion is None
    register(track)
    assert state(track).champion == 2 and len(state(track).versions) == 2
    with open_store(track.uri, track.experiment) as store:
        store.client.set_registered_model_alias(NAME, "champion", "2")
    register(track)
    assert state(track).champion == 1 and len(state(track).versions) == 2


def test_a_champion_replaced_while_its_bundle_is_made_does_not_get_the_alias(track, add, monkeypatch):
    add()
    add(title="T0 the second")
    make = device.make_device_bundle

    def dethroned(*arguments, **more):
        with open_store(track.uri, track.experiment) as store:
            store.client.set_registered_model_alias(NAME, "champion", "2")
        return make(*arguments, **more)

    monkeypatch.setattr(device, "make_device_bundle", dethroned)
    assert register(track) == f"models:/{NAME}/1: its bundle is now {DEVICE} version 1"
    assert state(track).champion is None


@pytest.mark.parametrize("place", ["create_logged_model", "log_model_artifacts", "create_model_version"])
def test_the_next_call_completes_what_a_killed_one_left(track, add, monkeypatch, place):
    add()

    def killed(*_arguments, **_more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(mlflow.MlflowClient, place, killed)
        register(track)
    assert not state(track).versions
    register(track)
    assert len(state(track).versions) == 1 and len(runs(track)) == 1
    assert state(track).champion == 1


def test_a_bundle_whose_files_are_gone_is_registered_again(track, add):
    add()
    register(track)
    with open_store(track.uri, track.experiment) as store:
        store.client.delete_logged_model(state(track).versions[0].model)
    assert register(track).endswith(f"is now {DEVICE} version 2")
    assert state(track).champion == 2 and len(runs(track)) == 1


def test_a_signed_bundle_is_a_new_version_and_is_written_to_the_output(track, add, tmp_path):
    add()
    register(track)
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    said = register(track, key=key, output=tmp_path / "here.tar.gz")
    assert said.splitlines() == [
        f"{tmp_path}/here.tar.gz: made from models:/{NAME}/1",
        f"models:/{NAME}/1: its bundle is now {DEVICE} version 2",
    ]
    assert state(track).version(2).tags["signed"] == "true"
    assert (fetch(track, 2, tmp_path / "fetched") / "signature").is_file()
    assert register(track, key=key).endswith(f"is {DEVICE} version 2")


def test_the_key_depends_on_the_files_that_the_device_reads(track, add, tmp_path):
    add()
    with open_store(track.uri, track.experiment) as store:
        source = device.find_source(store, CHAMPION)
    made = make_device_bundle(tmp_path / "export-1", tmp_path / "made", source=source.address)
    key = device._key(source, made)
    sums = made / "checksums.sha256"
    sample = made / "samples/anger.wav"
    sums.write_text(sums.read_text().replace(sha256_file(sample), "0" * 64))
    assert device._key(source, made) == key  # synthesised samples may differ in the last bits between machines
    sums.write_text(sums.read_text().replace(sha256_file(made / "run"), "0" * 64))
    assert device._key(source, made) != key


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("artifacts/export", r"model = artifacts/export: must be models:/NAME@ALIAS or models:/NAME/VERSION"),
        (f"models:/{NAME}@absent", r"there is no such version: choose one \(speech-emotion registry\)"),
        (f"models:/{NAME}/7", "there is no such version"),
        ("models:/others@champion", "there is no such version"),
    ],
)
def test_an_invalid_version_is_refused_and_nothing_is_registered(track, add, model, message):
    add()
    with pytest.raises(UserError, match=message):
        register(track, model)
    assert not state(track).versions


def test_an_export_that_lacks_a_file_registers_nothing_and_names_the_cure(track, add):
    add(without="calibration.cache")
    with pytest.raises(UserError, match=r"calibration\.cache: is not there: run the export step again"):
        register(track)
    assert not state(track).versions and not runs(track)
