"""Files compared with published checksums."""

import hashlib
from dataclasses import replace

import pytest

from speech_emotion.corpora.known import emodb, iemocap, ravdess
from speech_emotion.corpora.verification import published_sums, verify
from speech_emotion.errors import UserError


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """Twelve files a00 .. a11 of corpus `ravdess`, listed as published."""
    root = tmp_path / "ravdess"
    root.mkdir()
    lines = []
    for number in range(12):
        path = root / f"a{number:02d}.wav"
        path.write_bytes(bytes([number]))
        lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ravdess/{path.name}\n")
    (tmp_path / "ravdess.sha256").write_text("".join(lines))
    monkeypatch.setattr(ravdess, "CORPUS", replace(ravdess.CORPUS, checksums=tmp_path / "ravdess.sha256"))
    return root


def test_all_as_published(listed):
    state = verify(ravdess.CORPUS, listed)
    assert state.faultless
    assert state.describe() == "ravdess: all 12 files are as published"


def test_missing_altered_and_stray_files_are_named(listed):
    (listed / "a00.wav").unlink()
    (listed / "a01.wav").write_bytes(b"other")
    (listed / "new.wav").touch()
    state = verify(ravdess.CORPUS, listed)
    assert (state.missing, state.altered, state.stray) == (("a00.wav",), ("a01.wav",), ("new.wav",))
    assert state.describe().splitlines() == [
        "ravdess: 1 of 12 published files missing: a00.wav",
        "ravdess: 1 of 12 published files altered: a01.wav",
        "ravdess: 1 stray files that are not published: new.wav",
    ]


def test_a_link_counts_as_altered(listed, tmp_path):
    (listed / "a00.wav").rename(tmp_path / "moved.wav")
    (listed / "a00.wav").symlink_to(tmp_path / "moved.wav")
    assert verify(ravdess.CORPUS, listed).altered == ("a00.wav",)


def test_ten_files_are_named_and_the_rest_counted(listed):
    for path in listed.iterdir():
        path.unlink()
    assert verify(ravdess.CORPUS, listed).describe().endswith("a09.wav and 2 more")


def test_sung_files_are_not_stray(listed):
    (listed / "Actor_01").mkdir()
    (listed / "Actor_01/03-02-01-01-01-01-01.wav").touch()
    assert verify(ravdess.CORPUS, listed).faultless
    (listed / "Actor_01/03-01-01-01-01-01-01.wav").touch()
    assert verify(ravdess.CORPUS, listed).stray == ("Actor_01/03-01-01-01-01-01-01.wav",)


def test_corpus_without_known_checksums():
    with pytest.raises(UserError, match="corpus = iemocap"):
        published_sums(iemocap.CORPUS)


def test_lists_hold_the_published_corpora():
    assert len(published_sums(emodb.CORPUS)) == 535
    assert len(published_sums(ravdess.CORPUS)) == 1440
    assert all(len(digest) == 64 for digest in published_sums(ravdess.CORPUS).values())


@pytest.mark.parametrize("corpus", [emodb.CORPUS, ravdess.CORPUS], ids=["emodb", "ravdess"])
def test_real_corpus_is_as_published(corpora, corpus):
    assert verify(corpus, corpora / corpus.name).faultless
