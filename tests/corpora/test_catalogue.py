"""Corpora are found by name, and a new one needs only its module."""

import sys
import zipfile

import numpy as np
import pytest
import soundfile

from speech_emotion.corpora import known, laying_out, own
from speech_emotion.corpora.catalogue import corpus_of, known_corpora
from speech_emotion.corpora.fetch import obtain
from speech_emotion.corpora.known import emodb
from speech_emotion.corpora.verification import verify
from speech_emotion.corpora.walking import files_below
from speech_emotion.errors import UserError
from speech_emotion.params import Ingest
from speech_emotion.recorder import Recorder
from speech_emotion.steps import ingest
from speech_emotion.store.hashing import sha256_file

QUIET = Recorder(quiet=True)
MODULE = '''"""A made-up corpus: SPEAKER-EMOTION.wav."""

import re
from pathlib import Path, PurePosixPath

from speech_emotion.corpora.corpus import Corpus
from speech_emotion.corpora.table import Labelled
from speech_emotion.corpora.walking import files_below, unexpected

FILE = re.compile(r"(?P<speaker>[a-z]+)-(?P<emotion>[a-z]+)\\.wav")


def read(root):
    for path in files_below(root):
        if match := FILE.fullmatch(path):
            yield Labelled(path=path, speaker=match["speaker"], emotion=match["emotion"])
        else:
            yield unexpected(root, path, "SPEAKER-EMOTION.wav")


def place(path):
    name = PurePosixPath(path).name
    return name if FILE.fullmatch(name) else None


CORPUS = Corpus(
    name="new-corpus",
    description="acted Esperanto in a kitchen",
    licence="CC BY 4.0",
    scheme="SPEAKER-EMOTION.wav",
    read=read,
    place=place,
    archives={"all": "https://example.org/new-corpus.zip"},
    checksums=Path(__file__).with_suffix(".sha256"),
)
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Adds a module, and files beside it, to corpora/known: name -> text."""
    folder = tmp_path / "known"
    folder.mkdir()
    monkeypatch.setattr(known, "__path__", [*known.__path__, str(folder)])

    def add(**files):
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(text)

    yield add
    for path in folder.glob("*.py"):
        sys.modules.pop(f"{known.__name__}.{path.stem}", None)
        vars(known).pop(path.stem, None)


def test_a_new_corpus_is_one_module_with_its_checksums(module, tmp_path, monkeypatch):
    soundfile.write(tmp_path / "anna-anger.wav", 0.1 * np.sin(np.arange(16000)), 16000)
    digest = sha256_file(tmp_path / "anna-anger.wav")
    module(new__py=MODULE, new__sha256=f"{digest}  new-corpus/anna-anger.wav\n")

    def download(address, archive, recorder):
        assert address == "https://example.org/new-corpus.zip"
        with zipfile.ZipFile(archive, "w") as made:
            made.write(tmp_path / "anna-anger.wav", "deep/anna-anger.wav")
            made.writestr("deep/readme.txt", "welcome")

    monkeypatch.setattr(laying_out, "download", download)
    result = obtain("new-corpus", tmp_path / "data", None, QUIET)
    assert (result.changed, result.verified, result.files) == (True, True, 1)
    root = tmp_path / "data/new-corpus"
    assert files_below(root) == ["anna-anger.wav"]
    assert verify(corpus_of("new-corpus"), root).describe() == "new-corpus: all 1 files are as published"

    params = Ingest(min_seconds=0.1, max_seconds=60.0, silence_dbfs=-60.0, max_rejected=0.0, undeclared_labels="reject")
    (row,) = ingest.survey(root, "new-corpus", params, 1, QUIET)
    assert (row.id, row.speaker, row.emotion) == ("new-corpus/anna-anger", "anna", "anger")
    assert row.licence == "CC BY 4.0"
    assert corpus_of("new-corpus").description == "acted Esperanto in a kitchen"  # what the model card says

    with pytest.raises(UserError, match=r"mine: is unknown .*new-corpus"):
        obtain("mine", tmp_path / "data", None, QUIET)

    (root / "anna-anger.wav").write_bytes(b"other")
    assert verify(corpus_of("new-corpus"), root).altered == ("anna-anger.wav",)


def test_a_module_without_a_corpus_is_named(module):
    module(new__py="")
    with pytest.raises(UserError, match=r"new\.py: defines no CORPUS: add it"):
        corpus_of("mine")


def test_a_known_corpus_comes_from_its_module():
    assert corpus_of("emodb") is emodb.CORPUS
    assert {"casia", "demo", "emodb", "iemocap", "ravdess"} <= set(known_corpora())


@pytest.mark.parametrize("name", [name for name, corpus in known_corpora().items() if corpus.checksums])
def test_published_checksums_are_beside_the_module_and_list_only_its_files(name):
    lines = known_corpora()[name].checksums.read_text().splitlines()
    assert lines and all(line.split("  ")[1].startswith(f"{name}/") for line in lines)


def test_any_other_name_is_a_corpus_of_the_users_own():
    corpus = corpus_of("mine")
    assert (corpus.name, corpus.licence, corpus.read) == ("mine", "own", own.read)
