"""A signed bundle is accepted with the maker's key and no other."""

import os
import shutil
import subprocess
import sys

import pytest

from made_up_device import seal, write_whole_export
from speech_emotion.errors import UserError as MakerError
from speech_emotion.export.device import make_device_bundle, pack
from speech_emotion_jetson import signature
from speech_emotion_jetson.bundle import opened
from speech_emotion_jetson.errors import UserError

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen (openssh-client)")


def new_key(folder, name):
    """A key and the file of trusted keys that holds it."""
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    trusted = folder / f"{name}.trusted"
    trusted.write_text(f"bundle {path.with_suffix('.pub').read_text()}")
    return path, trusted


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """A signed bundle and the trusted key."""
    folder = tmp_path_factory.mktemp("signed")
    key, trusted = new_key(folder, "maker")
    return make_device_bundle(write_whole_export(folder / "export"), folder / "device", key=key), trusted


def test_the_makers_key_is_accepted(signed):
    device, trusted = signed
    with opened(device, trusted) as bundle:
        assert bundle.title == "T0 made up"


def test_another_key_is_refused(signed, tmp_path):
    _, other = new_key(tmp_path, "other")
    expected = r"signature: is not by a key in .*get the bundle from its maker"
    with pytest.raises(UserError, match=expected), opened(signed[0], other):
        pass


def test_a_bundle_that_was_changed_and_sealed_again_is_refused(signed, tmp_path):
    device = tmp_path / "device"
    shutil.copytree(signed[0], device)
    (device / "MODEL_CARD.md").write_text("# tampered\n")
    seal(device)
    with pytest.raises(UserError, match="signature: is not by a key"), opened(device, signed[1]):
        pass


@pytest.fixture
def own(signed, tmp_path):
    """A copy of the signed bundle that the test may change."""
    return shutil.copytree(signed[0], tmp_path / "device")


def test_an_engine_that_was_added_to_a_signed_archive_is_refused(signed, own, tmp_path):
    (own / "engines").mkdir()
    for name in ("fp32.plan", "fp32.json"):
        (own / "engines" / name).write_text("added")
    with pytest.raises(UserError, match=r"engines/fp32\.json: is not among the checksums"):
        pack(own, tmp_path / "device.tar.gz")
        with opened(tmp_path / "device.tar.gz", signed[1]):
            pass


def test_a_signed_archive_is_opened(signed, own, tmp_path):
    pack(own, tmp_path / "device.tar.gz")
    with opened(tmp_path / "device.tar.gz", signed[1]) as bundle:
        assert bundle.title == "T0 made up"


@pytest.mark.parametrize(
    "name", ["runtime/numpy.py", "runtime/speech_emotion_jetson/__pycache__/cli.pyc", "models/more.flags", "json.py"]
)
def test_a_file_that_was_added_to_a_signed_folder_is_refused(signed, own, name):
    (own / name).parent.mkdir(exist_ok=True)
    (own / name).write_text("added")
    with opened(own):  # without --trust, the signature is not checked
        pass
    with (
        pytest.raises(UserError, match=f"device/{name}: is not among the checksums.*move your own"),
        opened(own, signed[1]),
    ):
        pass


def test_a_link_to_a_folder_in_a_signed_folder_is_refused(signed, own, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (own / "numpy").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="device/numpy: is not among the checksums"), opened(own, signed[1]):
        pass


def test_engines_and_the_file_of_keys_may_be_in_a_signed_folder(signed, own, tmp_path):
    (tmp_path / "disk").mkdir()
    (own / "engines").symlink_to(tmp_path / "disk")
    (own / "engines/fp32.plan").write_text("built here")
    shutil.copyfile(signed[1], own / "trusted")
    with opened(own, own / "trusted") as bundle:
        assert bundle.variant("fp32").engine.is_file()


def test_the_bundles_script_leaves_no_files_that_would_be_refused(signed, own, tmp_path):
    command = [own / "run", "file", "--trust", signed[1], own / "samples/anger.wav"]
    environment = {"PATH": os.environ["PATH"], "PYTHON": sys.executable}
    for _ in range(2):
        subprocess.run(command, env=environment, cwd=own, check=True, capture_output=True)


def test_an_unsigned_bundle_is_refused_with_trust(made, signed):
    with pytest.raises(UserError, match="signature: is not there: ask the maker"), opened(made, signed[1]):
        pass


def test_without_openssh_the_cure_is_named(signed, monkeypatch):
    monkeypatch.setattr(signature.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="ssh-keygen: is not there: apt-get install"), opened(*signed):
        pass


def test_absent_trusted_keys_are_named(signed, tmp_path):
    with pytest.raises(UserError, match=r"--trust = .*none: is not there"), opened(signed[0], tmp_path / "none"):
        pass


def test_a_key_that_cannot_sign_leaves_no_bundle(tmp_path):
    (tmp_path / "key").write_text("no key")
    with pytest.raises(MakerError, match=r"key = .*cannot sign"):
        make_device_bundle(write_whole_export(tmp_path / "export"), tmp_path / "device", key=tmp_path / "key")
    assert not (tmp_path / "device").exists()


def test_a_bare_public_key_is_refused_with_the_cure(signed, tmp_path):
    key, _ = new_key(tmp_path, "bare")
    with (
        pytest.raises(UserError, match=r"holds no line `bundle ssh-ed25519 \.\.\.`: write `bundle ` before the key"),
        opened(signed[0], key.with_suffix(".pub")),
    ):
        pass
