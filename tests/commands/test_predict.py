"""The command `predict`: what it prints and writes, and one line for every error."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from made_up_export import LABELS, RATE, WINDOW, write_export
from speech_emotion import cli


@pytest.fixture
def recordings(project) -> Path:
    """An export, and a folder with two recordings, a broken file and other files."""
    (project / "artifacts").mkdir()
    write_export(project / "artifacts" / "export")
    folder = project / "recordings"
    (folder / "below").mkdir(parents=True)
    noise = np.random.default_rng(0).standard_normal(RATE) / 10
    soundfile.write(folder / "b.wav", noise, RATE)
    soundfile.write(folder / "below" / "c.flac", noise[:WINDOW], RATE)
    (folder / "a.wav").write_text("no sound at all")
    (folder / "notes.txt").write_text("not asked about")
    return folder


def test_predict_classifies_every_audio_file_of_a_folder_in_order(recordings, capsys):
    (recordings / "a.wav").unlink()
    assert cli.main(["predict", "recordings"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["file", "seconds", "emotion", *LABELS, "out", "of", "distribution"]
    assert [row.split()[:2] for row in rows] == [["recordings/b.wav", "1.00"], ["recordings/below/c.flac", "0.20"]]
    for row in rows:
        _, _, emotion, *probabilities, flag = row.split()
        assert flag == "no"
        assert LABELS[np.argmax([float(p) for p in probabilities])] == emotion


def test_predict_continues_after_a_broken_file_and_fails_at_the_end(recordings, capsys):
    assert cli.main(["predict", "recordings", "gone.wav"]) == 1
    out, err = capsys.readouterr()
    rows = out.splitlines()[1:]
    assert len(rows) == 4
    assert rows[0].startswith("recordings/a.wav")
    assert "error: not-audio: named .wav, but begins like no audio" in rows[0]
    assert "error: missing: no such file" in rows[3]
    assert err.splitlines()[-1] == "error: 2 of 4 files: could not be used: their rows say why"


def test_predict_writes_csv_with_all_probabilities_and_errors(recordings):
    assert cli.main(["predict", "recordings", "--format", "csv", "--output", "said.csv"]) == 1
    with open("said.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [
        "file",
        "seconds",
        "emotion",
        *(f"p_{label}" for label in LABELS),
        "out_of_distribution",
        "ood_score",
        "error",
    ]
    assert list(rows[0]) == columns
    assert rows[0]["error"].startswith("not-audio: ")
    assert sum(float(rows[1][f"p_{label}"]) for label in LABELS) == pytest.approx(1, abs=1e-5)
    assert rows[1]["out_of_distribution"] == "no"


def test_predict_writes_a_json_line_for_each_window_with_its_times(recordings, capsys):
    assert cli.main(["predict", "recordings/b.wav", "--format", "jsonl", "--windows"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["start"], row["end"]) for row in rows[:2]] == [(0.0, 0.2), (0.1, 0.3)]
    assert rows[-1]["end"] == 1.0
    assert set(rows[0]["probabilities"]) == set(LABELS)
    assert rows[0]["out_of_distribution"] is False


def test_predict_does_not_touch_the_output_file_if_it_cannot_start(recordings, capsys):
    Path("said.csv").write_text("before")
    assert cli.main(["predict", "recordings", "--model", "nowhere", "--output", "said.csv"]) == 1
    assert "nowhere/bundle.json: is not there" in capsys.readouterr().err
    assert Path("said.csv").read_text() == "before"


def test_predict_does_not_touch_the_output_file_if_it_is_interrupted(recordings, monkeypatch):
    from speech_emotion.inference import Recogniser

    def interrupted(*_):
        raise KeyboardInterrupt

    Path("said.csv").write_text("before")
    monkeypatch.setattr(Recogniser, "predict_file", interrupted)
    assert cli.main(["predict", "recordings", "--output", "said.csv"]) == 130
    assert Path("said.csv").read_text() == "before"
    assert not list(Path().glob(".said*"))


def test_predict_refuses_an_output_that_is_a_folder(recordings, capsys):
    assert cli.main(["predict", "recordings/b.wav", "--output", "recordings"]) == 1
    assert "error: output = recordings: " in capsys.readouterr().err


def test_predict_refuses_a_folder_without_audio(recordings, capsys):
    Path("empty").mkdir()
    assert cli.main(["predict", "empty"]) == 1
    assert capsys.readouterr().err.startswith("error: empty: holds no audio file: ")


def test_predict_without_an_export_and_without_a_store_names_the_cure(project, capsys):
    soundfile.write("a.wav", np.zeros(RATE), RATE)
    assert cli.main(["predict", "a.wav"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: model = models:/speech-emotion@champion: mlflow.db: is not there: run make run")


def test_predict_uses_a_registered_model(recordings, project, capsys):
    import mlflow

    from speech_emotion.tracking.connection import open_store

    shutil.move("artifacts/export", "exported")
    with open_store("sqlite:///mlflow.db", "e") as store, mlflow.start_run(experiment_id=store.experiment) as run:
        mlflow.log_artifacts("exported", "model/artifacts")
    for model, status in ((f"runs:/{run.info.run_id}/model", 0), ("models:/absent@champion", 1)):
        assert cli.main(["predict", "recordings/b.wav", "--model", model]) == status
    out, err = capsys.readouterr()
    assert out.splitlines()[1].startswith("recordings/b.wav")
    assert "error: model = models:/absent@champion: " in err


def test_predict_answers_files_of_odd_names_and_refuses_a_wrong_full_scale(recordings, capsys):
    (recordings / "a.wav").unlink()
    (recordings / "b.wav").rename(recordings / "caf\udce9.wav")
    loud = 32768 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    soundfile.write(recordings / "loud.wav", loud, RATE, subtype="FLOAT")
    assert cli.main(["predict", "recordings", 300 * "n" + ".wav", "--output", "said.jsonl", "--format", "jsonl"]) == 1
    rows = [json.loads(line) for line in Path("said.jsonl").read_text().splitlines()]
    assert ["error" in row for row in rows] == [False, False, True, True]
    assert "full scale is 1: divide 16-bit samples by 32768" in rows[2]["error"]
    assert "File name too long" in rows[3]["error"]
    assert capsys.readouterr().err.splitlines()[-1] == "error: 2 of 4 files: could not be used: their rows say why"


def test_predict_with_a_missing_model_names_it(recordings, capsys):
    assert cli.main(["predict", "recordings", "--model", "artifacts/export/fp32.onnx"]) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: artifacts/export/fp32.onnx/bundle.json: Not a directory: name the folder")
