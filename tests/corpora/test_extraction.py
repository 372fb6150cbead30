"""Archives are unpacked safely."""

import io
import os
import stat
import tarfile
import zipfile

import pytest

from speech_emotion.corpora.extraction import Limits, extract, is_archive
from speech_emotion.errors import UserError
from speech_emotion.recorder import Recorder

CONTENT = os.urandom(3000)
TAR_MODES = {"a.tar": "w", "a.tar.gz": "w:gz", "a.tar.bz2": "w:bz2", "a.tar.xz": "w:xz"}


def make(path, members):
    """An archive of name -> bytes, in the format of its extension."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, TAR_MODES[path.name]) as archive:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def unpack(archive, folder, **options):
    return extract(archive, folder, Recorder(quiet=True), **options)


def refusal(archive, folder, **options):
    with pytest.raises(UserError) as error:
        unpack(archive, folder, **options)
    assert str(archive) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["a.zip", *TAR_MODES])
def test_files_are_unpacked_to_the_byte(tmp_path, name):
    archive = make(tmp_path / name, {"one.wav": CONTENT, "deep/two.wav": b"", "./three.wav": b"3"})
    assert is_archive(archive)
    assert len(unpack(archive, tmp_path / "out")) == 3
    assert (tmp_path / "out/one.wav").read_bytes() == CONTENT
    assert (tmp_path / "out/deep/two.wav").read_bytes() == b""
    assert (tmp_path / "out/three.wav").read_bytes() == b"3"


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_unwanted_files_are_left_out(tmp_path, name):
    archive = make(tmp_path / name, {"one.wav": b"1", "film.avi": b"2"})
    assert unpack(archive, tmp_path / "out", wanted=lambda member: member.endswith(".wav")) == ["one.wav"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["one.wav"]


@pytest.mark.parametrize("archive", ["a.zip", "a.tar"])
@pytest.mark.parametrize("name", ["../evil.wav", "deep/../../evil.wav", "/evil.wav", "..\\evil.wav", "C:\\evil.wav"])
def test_member_that_leads_outside_is_refused_by_name(tmp_path, archive, name):
    made = make(tmp_path / archive, {name: b"x"})
    said = refusal(made, tmp_path / "out/in")
    assert "is outside the archive's folder" in said
    assert "evil.wav" in said
    assert not list(tmp_path.rglob("*evil*"))


def test_an_unwanted_member_that_leads_outside_is_refused_too(tmp_path):
    archive = make(tmp_path / "a.zip", {"../evil.wav": b"x"})
    assert "is outside the archive's folder" in refusal(archive, tmp_path / "out", wanted=lambda member: False)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_tar_are_refused(tmp_path, kind):
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as made:
        info = tarfile.TarInfo("odd.wav")
        info.type, info.linkname = kind, "one.wav"
        made.addfile(info)
    assert "'odd.wav' is" in refusal(archive, tmp_path / "out")


@pytest.mark.parametrize(
    ("kind", "said"), [(stat.S_IFLNK, "is a link"), (stat.S_IFCHR, "is neither a file nor a folder")]
)
def test_links_and_devices_in_zip_are_refused(tmp_path, kind, said):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as made:
        info = zipfile.ZipInfo("odd.wav")
        info.create_system, info.external_attr = 3, (kind | 0o644) << 16
        made.writestr(info, "/etc/passwd")
    assert f"'odd.wav' {said}" in refusal(archive, tmp_path / "out")


def test_encrypted_zip_is_refused(tmp_path):
    archive = make(tmp_path / "a.zip", {"one.wav": b"1"})
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    assert "'one.wav' is encrypted" in refusal(archive, tmp_path / "out")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_member_that_occurs_twice_is_refused(tmp_path, name):
    archive = tmp_path / name
    if name == "a.zip":
        with zipfile.ZipFile(archive, "w") as made:
            made.writestr("one.wav", "1")
            made.writestr("one.wav", "2")
    else:
        with tarfile.open(archive, "w") as made:
            made.addfile(tarfile.TarInfo("one.wav"))
            made.addfile(tarfile.TarInfo("one.wav"))
    assert "twice" in refusal(archive, tmp_path / "out")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar.xz"])
def test_bomb_is_refused_before_it_is_unpacked(tmp_path, name):
    archive = make(tmp_path / name, {"zeros.wav": bytes(4 * 2**20)})
    limits = Limits(free_bytes=2**20)
    assert "100 times its size" in refusal(archive, tmp_path / "out", limits=limits)
    assert not list((tmp_path / "out").iterdir())


def test_a_small_archive_may_have_a_high_ratio(tmp_path):
    archive = make(tmp_path / "a.zip", {"zeros.wav": bytes(2**20)})
    assert unpack(archive, tmp_path / "out") == ["zeros.wav"]


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_too_much_and_too_many_are_refused(tmp_path, name):
    archive = make(tmp_path / name, {f"{number}.wav": CONTENT for number in range(4)})
    assert "more than 3 members" in refusal(archive, tmp_path / "one", limits=Limits(members=3))
    assert "GiB" in refusal(archive, tmp_path / "two", limits=Limits(bytes=4 * len(CONTENT) - 1))
    assert len(unpack(archive, tmp_path / "three", limits=Limits(members=4, bytes=4 * len(CONTENT)))) == 4


@pytest.mark.parametrize("name", ["a.zip", *TAR_MODES])
@pytest.mark.parametrize("kept", [0.4, 0.8])
def test_cut_archive_is_damaged(tmp_path, name, kept):
    archive = make(tmp_path / name, {f"{number}.wav": os.urandom(20000) for number in range(3)})
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * kept)])
    assert "damaged" in refusal(archive, tmp_path / "out")


def test_altered_byte_in_zip_is_damage(tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as made:
        made.writestr("one.wav", CONTENT)
    content = bytearray(archive.read_bytes())
    content[1000] ^= 1
    archive.write_bytes(content)
    assert "damaged" in refusal(archive, tmp_path / "out")


def test_other_files_than_archives_are_refused(tmp_path):
    path = tmp_path / "a.zip"
    assert "no such archive" in refusal(path, tmp_path / "out")
    path.write_text("<html>not found</html>")
    assert not is_archive(path)
    assert "is not a zip or tar archive" in refusal(path, tmp_path / "out")
