"""Step ingest: files become rows of the table, or are rejected with a reason."""

import csv
import hashlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile

from speech_emotion.corpora.table import read_utterances
from speech_emotion.errors import UserError
from speech_emotion.params import Ingest
from speech_emotion.recorder import Recorder
from speech_emotion.steps.driver import load_step
from speech_emotion.steps.ingest import STEP

RATE = 16000
HEADER = "path,speaker,emotion\n"


def tone(seconds=0.5, pitch=220.0, rate=RATE):
    return 0.3 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)


@pytest.fixture
def root(tmp_path):
    """A user's corpus of four valid files, listed in its table."""
    folder = tmp_path / "data/mine"
    folder.mkdir(parents=True)
    rows = []
    spoken = [("anna", "anger"), ("anna", "fear"), ("ben", "anger"), ("ben", "fear")]
    for number, (speaker, emotion) in enumerate(spoken):
        soundfile.write(folder / f"{number}.wav", tone(0.5 + number / 10), RATE)
        rows.append(f"{number}.wav,{speaker},{emotion}\n")
    (folder / "utterances.csv").write_text(HEADER + "".join(rows))
    return folder


def add(root, *rows):
    with open(root / "utterances.csv", "a") as file:
        file.writelines(f"{row}\n" for row in rows)


def ingest(root, tmp_path, corpus="mine", workers=1, recorder=None, **changes):
    values = {
        "min_seconds": 0.1, "max_seconds": 60.0, "silence_dbfs": -60.0, "max_rejected": 1.0,
        "undeclared_labels": "reject",
    }  # fmt: skip
    params = SimpleNamespace(corpus=corpus, ingest=Ingest(**values | changes), workers=workers)
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    STEP.run({"data": root}, params, {"utterances": out}, recorder or Recorder(quiet=True))
    return out


def rejected(out):
    with open(out / "rejected.csv", encoding="utf-8", newline="") as file:
        return {row["path"]: row["reason"] for row in csv.DictReader(file)}


def test_the_driver_knows_the_step():
    assert load_step("ingest") is STEP


def test_valid_files_become_utterances(root, tmp_path):
    table = read_utterances(ingest(root, tmp_path) / "utterances.parquet")
    assert list(table["id"]) == ["mine/0", "mine/1", "mine/2", "mine/3"]
    row = table.iloc[1]
    assert (row.corpus, row.path, row.speaker, row.emotion, row.licence) == ("mine", "1.wav", "anna", "fear", "own")
    assert (row.start, row.end, row.duration) == (0.0, 0.6, 0.6)
    assert (row.sample_rate, row.channels) == (RATE, 1)
    assert row.sha256 == hashlib.sha256((root / "1.wav").read_bytes()).hexdigest()
    assert pd.isna(row.sex)


BROKEN = {
    "empty": lambda path: path.touch(),
    "not-audio": lambda path: path.write_text("These are words and no sound."),
    "wrong-format": lambda path: soundfile.write(path, tone(), RATE, format="MP3"),
    "truncated": lambda path: (soundfile.write(path, tone(), RATE), path.write_bytes(path.read_bytes()[:5000])),
    "no-samples": lambda path: soundfile.write(path, tone(0.0), RATE),
    "not-finite": lambda path: soundfile.write(path, np.append(tone(), np.nan), RATE, subtype="FLOAT"),
    "silent": lambda path: soundfile.write(path, np.zeros(RATE), RATE),
    "too-short": lambda path: soundfile.write(path, tone(0.01), RATE),
    "too-long": lambda path: soundfile.write(path, tone(61.0), RATE),
    "sample-rate": lambda path: soundfile.write(path, tone(), 4000),
    "missing": lambda path: None,
}


def test_each_broken_file_is_rejected_with_its_reason_and_the_rest_is_used(root, tmp_path):
    for reason, make in BROKEN.items():
        make(root / f"{reason}.wav")
        add(root, f"{reason}.wav,anna,anger")
    out = ingest(root, tmp_path)
    assert rejected(out) == {f"{reason}.wav": reason for reason in BROKEN}
    assert len(read_utterances(out / "utterances.parquet")) == 4
    report = json.loads((out / "report.json").read_text())
    assert report["rejected"] == {"count": len(BROKEN), "reasons": dict.fromkeys(sorted(BROKEN), 1)}


@pytest.mark.parametrize("corpus", ["emodb", "casia"])
def test_a_name_that_is_not_utf_8_is_rejected(tmp_path, corpus):
    good, odd = {"emodb": ("wav/03a01Fa.wav", "wav/caf\udce9.wav"), "casia": ("anna/sad/1.wav", "ren\udce9/sad/1.wav")}[
        corpus
    ]
    for name in (good, odd):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "a.wav", tone(), RATE)
        shutil.copy(tmp_path / "a.wav", path)
    out = ingest(tmp_path / "data", tmp_path, corpus)
    assert rejected(out) == {odd.replace("\udce9", "\\xe9"): "name"}
    assert len(read_utterances(out / "utterances.parquet")) == 1


def test_aiff_named_wav_is_rejected(root, tmp_path):
    soundfile.write(root / "a.wav", tone(), RATE, format="AIFF")
    add(root, "a.wav,anna,anger")
    assert rejected(ingest(root, tmp_path)) == {"a.wav": "wrong-format"}


def test_each_readable_kind_is_used(root, tmp_path):
    kinds = {
        "u8.wav": {"subtype": "PCM_U8"},
        "24.wav": {"subtype": "PCM_24"},
        "float.wav": {"subtype": "FLOAT"},
        "a.flac": {},
        "b.ogg": {},
        "c.mp3": {},
    }
    for name, options in kinds.items():
        soundfile.write(root / name, tone(), RATE, **options)
    for rate in (8000, 96000):
        soundfile.write(root / f"r{rate}.wav", tone(rate=rate), rate)
    soundfile.write(root / "stereo.wav", np.stack([tone(), tone()], axis=1), RATE)
    names = [*kinds, "r8000.wav", "r96000.wav", "stereo.wav"]
    add(root, *(f"{name},anna,anger" for name in names))
    out = ingest(root, tmp_path)
    table = read_utterances(out / "utterances.parquet").set_index("path")
    assert rejected(out) == {}
    assert set(names) <= set(table.index)
    assert table.loc["stereo.wav"].channels == 2
    assert table.loc["r96000.wav"].sample_rate == 96000
    assert np.allclose(table.loc[names].duration, 0.5)


def test_undeclared_label_is_rejected_or_kept(root, tmp_path):
    soundfile.write(root / "4.wav", tone(), RATE)
    add(root, "4.wav,anna,joy")
    assert rejected(ingest(root, tmp_path)) == {"4.wav": "undeclared-label"}
    out = ingest(root, tmp_path, undeclared_labels="keep")
    assert rejected(out) == {}
    assert "joy" in set(read_utterances(out / "utterances.parquet").emotion)


def test_paths_out_of_the_folder_are_rejected(root, tmp_path):
    soundfile.write(tmp_path / "data/secret.wav", tone(), RATE)
    (root / "link.wav").symlink_to(tmp_path / "data/secret.wav")
    absolute = str(tmp_path / "data/secret.wav")
    add(root, "../secret.wav,anna,anger", "link.wav,anna,anger", f"{absolute},anna,anger")
    out = ingest(root, tmp_path)
    assert rejected(out) == dict.fromkeys(["../secret.wav", "link.wav", absolute], "outside")


def test_link_in_a_corpus_read_by_names_is_rejected(tmp_path):
    root = tmp_path / "emodb"
    (root / "wav").mkdir(parents=True)
    soundfile.write(root / "wav/03a01Fa.wav", tone(), RATE)
    soundfile.write(tmp_path / "secret.wav", tone(), RATE)
    (root / "wav/08a01Fa.wav").symlink_to(tmp_path / "secret.wav")
    soundfile.write(root / "wav/unknown.wav", tone(), RATE)
    (root / "notes.docx").touch()
    out = ingest(root, tmp_path, corpus="emodb")
    assert rejected(out) == {"notes.docx": "stray", "wav/08a01Fa.wav": "outside", "wav/unknown.wav": "name"}
    assert list(read_utterances(out / "utterances.parquet").licence) == ["CC0-1.0"]


def test_parts_of_a_file_become_utterances_of_their_own(root, tmp_path):
    (root / "utterances.csv").write_text(
        "path,speaker,emotion,start,end,licence\n"
        "3.wav,anna,anger,0,0.25,CC0-1.0\n"
        "3.wav,ben,fear,0.25,,\n"
        "3.wav,ben,anger,0.7,0.9,\n"
    )
    out = ingest(root, tmp_path)
    table = read_utterances(out / "utterances.parquet")
    assert list(table.id) == ["mine/3@0.0-0.25", "mine/3@0.25-"]
    assert list(table.duration) == [0.25, 0.55]
    assert list(table.licence) == ["CC0-1.0", "own"]
    assert table.sha256.nunique() == 1
    assert rejected(out)["3.wav"] == "interval"


def test_two_files_of_one_name_do_not_share_an_id(root, tmp_path):
    soundfile.write(root / "0.flac", tone(), RATE)
    add(root, "0.flac,anna,anger")
    out = ingest(root, tmp_path)
    assert rejected(out) == {"0.wav": "doubled"}
    assert "mine/0" in set(read_utterances(out / "utterances.parquet").id)


def test_too_many_broken_files_fail_and_say_which(root, tmp_path):
    for number in range(4, 8):
        (root / f"{number}.wav").touch()
        add(root, f"{number}.wav,anna,anger")
    with pytest.raises(UserError) as error:
        ingest(root, tmp_path, max_rejected=0.4)
    lines = str(error.value).splitlines()
    assert "4 of 8 files (50.0%) rejected, more than ingest.max_rejected = 0.4" in lines[0]
    assert "(empty 4)" in lines[0]
    assert [line.rpartition("mine/")[2] for line in lines[1:]] == [
        f"{number}.wav: empty: holds no byte" for number in range(4, 8)
    ]
    assert not list((tmp_path / "out").iterdir())
    ingest(root, tmp_path, max_rejected=0.5)


def test_failure_notes_more_files_than_its_message_names(root, tmp_path):
    for number in range(4, 29):
        (root / f"{number}.wav").touch()
        add(root, f"{number}.wav,anna,anger")
    notes = []
    recorder = Recorder(quiet=True)
    recorder.note = notes.append
    with pytest.raises(UserError, match="and 15 more files"):
        ingest(root, tmp_path, recorder=recorder, max_rejected=0.5)
    assert len([note for note in notes if ": empty: " in note]) == 25


def test_unlisted_files_do_not_count(root, tmp_path):
    (root / "utterances.csv").write_text(HEADER + "0.wav,anna,anger\n")
    out = ingest(root, tmp_path, max_rejected=0.0)
    assert rejected(out) == dict.fromkeys(["1.wav", "2.wav", "3.wav"], "unlisted")


def test_no_usable_file_fails_at_any_share(root, tmp_path):
    for path in root.glob("*.wav"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"no file can be used: .*empty 4"):
        ingest(root, tmp_path, max_rejected=1.0)


def test_empty_and_missing_folders_name_the_cure(tmp_path):
    with pytest.raises(UserError, match="no such folder: run make data CORPUS=emodb"):
        ingest(tmp_path / "none", tmp_path, corpus="emodb")
    (tmp_path / "some").mkdir()
    with pytest.raises(UserError, match="contains no files: run make data CORPUS=emodb"):
        ingest(tmp_path / "some", tmp_path, corpus="emodb")


def test_report_counts_and_names_identical_files(root, tmp_path):
    (root / "4.wav").write_bytes((root / "0.wav").read_bytes())
    add(root, "4.wav,ben,anger")
    (root / "bad.wav").touch()
    add(root, "bad.wav,anna,anger")
    out = ingest(root, tmp_path)
    report = json.loads((out / "report.json").read_text())
    assert (report["utterances"], report["files"], report["identical_files"]) == (5, 5, 2)
    assert report["emotions"] == {"anger": 3, "fear": 2}
    assert report["speakers"] == {
        "anna": {"utterances": 2, "seconds": 1.1},
        "ben": {"utterances": 3, "seconds": 2.0},
    }
    assert report["sexes"] == {"unknown": 5}
    assert report["seconds"] == {"total": 3.1, "mean": 0.62, "shortest": 0.5, "longest": 0.8}
    assert (out / "report.md").read_text() == (Path(__file__).parent / "expected" / "ingest.md").read_text()


def test_outputs_do_not_depend_on_the_number_of_workers_and_the_folder(root, tmp_path):
    (root / "bad.wav").touch()
    add(root, "bad.wav,anna,anger")
    first = {path.name: path.read_bytes() for path in ingest(root, tmp_path).iterdir()}
    moved = tmp_path / "moved/mine"
    moved.parent.mkdir()
    root.rename(moved)
    second = {path.name: path.read_bytes() for path in ingest(moved, tmp_path, workers=2).iterdir()}
    assert set(first) == {"utterances.parquet", "rejected.csv", "report.json", "report.md"}
    assert first == second
    assert not any(str(tmp_path).encode() in content for content in first.values())


@pytest.mark.parametrize(("corpus", "count", "speakers"), [("emodb", 535, 10), ("ravdess", 1440, 24)])
def test_real_corpora_are_used_completely(corpora, tmp_path, corpus, count, speakers):
    out = ingest(corpora / corpus, tmp_path, corpus=corpus, max_rejected=0.0)
    report = json.loads((out / "report.json").read_text())
    assert (report["utterances"], len(report["speakers"])) == (count, speakers)
    assert report["rejected"]["count"] == 0
    assert report["identical_files"] == {"emodb": 0, "ravdess": 2}[corpus]
    assert report["channels"] == {"emodb": {"1": 535}, "ravdess": {"1": 1435, "2": 5}}[corpus]
