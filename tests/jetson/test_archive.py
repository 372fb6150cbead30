"""Archives are unpacked within the folder and with a limited size."""

import io
import tarfile

import pytest

from speech_emotion.export.device import pack
from speech_emotion_jetson import archive
from speech_emotion_jetson.bundle import opened
from speech_emotion_jetson.errors import UserError


def write(path, *members):
    """A .tar.gz of (name, content, kind) or (name, content)."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content, *kind in members:
            member = tarfile.TarInfo(name)
            member.size, member.type = len(content), kind[0] if kind else tarfile.REGTYPE
            member.linkname = "/etc/passwd" if kind and kind[0] in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            tar.addfile(member, io.BytesIO(content))
    return path


def test_a_bundle_is_opened_from_its_archive_and_nothing_is_left_behind(made, tmp_path):
    pack(made, tmp_path / "device.tar.gz")
    with opened(tmp_path / "device.tar.gz") as bundle:
        folder = bundle.folder
        assert bundle.variant(None).path.is_file()
    assert not folder.exists()


@pytest.mark.parametrize("name", ["engines/fp32.plan", "runtime/numpy.py", "models/more.flags", "note.txt"])
def test_a_file_in_an_archive_that_is_not_among_the_checksums_is_refused(device, tmp_path, name):
    (device / name).parent.mkdir(exist_ok=True)
    (device / name).write_text("added")
    pack(device, tmp_path / "device.tar.gz")
    expected = f"device/{name}: is not among the checksums: get the bundle from its maker"
    with pytest.raises(UserError, match=expected), opened(tmp_path / "device.tar.gz"):
        pass


@pytest.mark.parametrize(
    "member",
    [
        ("../outside", b"x"),
        ("/outside", b"x"),
        ("device/../../outside", b"x"),
        ("device/link", b"", tarfile.SYMTYPE),
        ("device/link", b"", tarfile.LNKTYPE),
        ("device/pipe", b"", tarfile.FIFOTYPE),
        ("device/disk", b"", tarfile.BLKTYPE),
    ],
    ids=str,
)
def test_a_member_outside_the_folder_is_refused_and_not_written(tmp_path, member):
    path = write(tmp_path / "a.tar.gz", ("device/bundle.json", b"{}"), member)
    (tmp_path / "in").mkdir()
    with pytest.raises(UserError, match="does not belong in a bundle: get it from its maker"):
        archive.unpack(path, tmp_path / "in")
    assert not (tmp_path / "outside").exists()


def test_an_archive_that_would_fill_the_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 1000)
    path = write(tmp_path / "a.tar.gz", ("device/a", bytes(600)), ("device/b", bytes(600)))
    (tmp_path / "in").mkdir()
    with pytest.raises(UserError, match="larger than a bundle can be"):
        archive.unpack(path, tmp_path / "in")
    assert not (tmp_path / "in/device/b").exists()


def test_an_archive_of_too_many_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
    path = write(tmp_path / "a.tar.gz", *((f"device/{number}", b"") for number in range(4)))
    (tmp_path / "in").mkdir()
    with pytest.raises(UserError, match="larger than a bundle can be"):
        archive.unpack(path, tmp_path / "in")


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_a_truncated_archive_is_refused(made, tmp_path, kept):
    pack(made, tmp_path / "a.tar.gz")
    whole = (tmp_path / "a.tar.gz").read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(whole[: int(kept * len(whole)) if kept < 1 else kept])
    with pytest.raises(UserError, match=r"a\.tar\.gz: "), opened(tmp_path / "a.tar.gz"):
        pass


@pytest.mark.parametrize("members", [(("a", b"x"),), (("a/x", b"x"), ("b/x", b"x")), ()], ids=str)
def test_an_archive_without_one_folder_is_refused(tmp_path, members):
    (tmp_path / "in").mkdir()
    with pytest.raises(UserError, match="must hold one folder, the bundle"):
        archive.unpack(write(tmp_path / "a.tar.gz", *members), tmp_path / "in")


def test_a_missing_bundle_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere: is not there: name a bundle"), opened(tmp_path / "nowhere"):
        pass
