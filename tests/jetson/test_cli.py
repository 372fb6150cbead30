"""The command line."""

import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from made_up_export import LABELS, RATE, WINDOW, answer
from speech_emotion_jetson import commands
from speech_emotion_jetson.cli import Stopped, _parser, main
from speech_emotion_jetson.serving import page

SOURCE = f"{os.path.dirname(__file__)}/../../jetson/src"


@pytest.fixture
def sound(tmp_path, waveform):
    """A folder of recordings, one of them broken."""
    folder = tmp_path / "sound"
    (folder / "more").mkdir(parents=True)
    soundfile.write(folder / "b.wav", waveform, RATE)
    soundfile.write(folder / "more/a.flac", waveform[: WINDOW // 2], RATE)
    soundfile.write(folder / ".hidden.wav", waveform, RATE)
    (folder / "notes.txt").write_text("no audio")
    return folder


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_file_gets_a_table(made, sound, capsys):
    assert main([str(made), "file", str(sound / "b.wav")]) == 0
    header, line = capsys.readouterr().out.splitlines()
    assert header.split() == ["file", "seconds", "emotion", *LABELS, "out", "of", "distribution"]
    assert line.split()[1] == "1.06"


def test_files_of_a_folder_are_sorted_and_the_broken_one_has_its_reason(made, sound, capsys):
    (sound / "a.wav").write_text("no sound")
    assert main([str(made), "folder", str(sound), "--format", "csv"]) == 1
    captured = capsys.readouterr()
    found = rows(captured.out)
    assert [row["file"].split("/")[-1] for row in found] == ["a.wav", "b.wav", "a.flac"]
    assert found[0]["error"].startswith("not-audio: ") and not found[1]["error"]
    assert sum(float(found[1][f"p_{label}"]) for label in LABELS) == pytest.approx(1, abs=1e-5)
    assert captured.err == "error: 1 of 3 files: could not be used: their rows say why\n"


@pytest.mark.parametrize("kind", ["files", "windows", "timeline"])
def test_rows_are_json_lines(made, sound, capsys, kind):
    assert main([str(made), "file", str(sound / "b.wav"), "--format", "jsonl", "--rows", kind]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(found) == {"files": 1, "windows": 10}.get(kind, len(found))
    if kind != "files":
        assert found[0]["start"] == 0
        assert found[-1]["end"] == pytest.approx(17003 / RATE, abs=0.01)


@pytest.mark.parametrize(("form", "unasked"), [("csv", ",,"), ("jsonl", '"out_of_distribution": null'), ("table", "")])
def test_without_the_detector_the_columns_are_empty(made, sound, capsys, form, unasked):
    assert main([str(made), "file", str(sound / "b.wav"), "--format", form, "--no-ood"]) == 0
    assert unasked in capsys.readouterr().out.splitlines()[-1]


def test_an_output_file_is_written_whole(made, sound, tmp_path):
    assert main([str(made), "folder", str(sound), "--format", "csv", "--output", str(tmp_path / "said.csv")]) == 0
    assert len(rows((tmp_path / "said.csv").read_text())) == 2
    assert [path.name for path in tmp_path.glob(".said*")] == []


def test_an_output_that_is_a_folder_is_refused_before_any_work(made, sound, tmp_path, monkeypatch):
    monkeypatch.setattr(commands.Recogniser, "predict_file", lambda *_: pytest.fail("worked"))
    assert main([str(made), "folder", str(sound), "--output", str(tmp_path)]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["sound"]


@pytest.mark.parametrize("step", ["chmod", "replace"])
def test_an_output_that_cannot_be_written_is_one_line_and_leaves_no_file(
    made, sound, tmp_path, monkeypatch, capsys, step
):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(commands.os, step, fail)
    assert main([str(made), "folder", str(sound), "--output", str(tmp_path / "said.csv")]) == 1
    expected = f"error: --output = {tmp_path}/said.csv: No space left on device: name another file\n"
    assert capsys.readouterr().err == expected
    assert [path.name for path in tmp_path.iterdir()] == ["sound"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["folder", "nowhere"], "nowhere: is not a folder"),
        (["folder", "."], ": holds no audio file"),
        (["file", "a.wav", "--output", "no/such/folder/a.csv"], "--output = no/such/folder/a.csv: No such file"),
        (["file", "a.wav", "--output", "."], "--output = .: is a folder: name a file"),
        (["mic", "--rate", "0"], "--rate = 0: must be within 8000 and 96000 Hz"),
        (["mic", "--rate", "-5"], "--rate = -5: must be within 8000 and 96000 Hz"),
        (["file", "a.wav", "--threads", "0"], "--threads = 0"),
        (["file", "a.wav", "--variant", "int4"], "--variant = int4"),
        (["show", "--trust", "absent"], "--trust = absent: is not there"),
        (["serve", "--queue", "-1"], "--queue = -1: must be within 0"),
        (["serve", "--certificate", "a.crt"], "belong together"),
        (["serve", "--host", "no.such.host.invalid"], "--host = no.such.host.invalid"),
    ],
)
def test_errors_are_one_line_and_the_status_is_1(made, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main([str(made), *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1


def test_show_says_what_the_bundle_holds(made, capsys):
    assert main([str(made), "show"]) == 0
    text = capsys.readouterr().out
    assert "T0 made up" in text and "fp32" in text and "(default)" in text and "(synthetic)" in text


def program(made, *arguments, **more):
    command = [sys.executable, "-m", "speech_emotion_jetson", str(made), *arguments]
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": SOURCE, **more}
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)


def test_a_stream_gets_answers_while_it_runs(made, waveform):
    samples = (waveform * 2**15).clip(-32768, 32767).astype("<i2")
    with program(made, "stream", "--format", "jsonl", "--smooth", "0") as process:
        process.stdin.write(samples[:WINDOW].tobytes())
        process.stdin.flush()
        first = json.loads(process.stdout.readline())  # the stream is still open
        process.stdin.write(samples[WINDOW:].tobytes())
        process.stdin.close()
        rest = [json.loads(line) for line in process.stdout]
    expected = answer(samples[:WINDOW] / 2**15)
    np.testing.assert_allclose(list(first["probabilities"].values()), expected, atol=1e-4)
    assert [row["start"] for row in (first, *rest)][:3] == [0.0, 0.1, 0.2]
    assert process.returncode == 0


def test_a_stream_of_nan_is_refused_with_the_cure(made):
    with program(made, "stream", "--encoding", "f32") as process:
        process.stdin.write(np.full(100, np.nan, "<f4").tobytes())
        process.stdin.close()
        assert b"change --encoding" in process.stderr.read()
    assert process.returncode == 1


def test_a_microphone_continues_after_a_disconnection_and_stops_on_a_signal(made, tmp_path):
    (tmp_path / "arecord").write_text("#!/bin/sh\nhead -c 12800 /dev/zero\necho 'read error: No such device' >&2\n")
    (tmp_path / "arecord").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    with program(made, "mic", "--format", "jsonl", PATH=path) as process:
        lines = [json.loads(process.stdout.readline()) for _ in range(8)]
        process.send_signal(signal.SIGTERM)
        told = process.stderr.read().decode()
    assert [line["emotion"] for line in lines] == ["silence"] * 8
    # Time starts again with the connection.
    assert [line["start"] for line in lines] == [0.0, 0.1, 0.2, 0.0, 0.1, 0.2, 0.0, 0.1]
    assert "microphone default: is gone (read error: No such device)" in told
    assert process.returncode == 0


def test_a_closed_pipe_is_not_an_error(made, sound):
    with program(made, "stream", "--format", "csv") as process:
        process.stdout.close()
        try:
            process.stdin.write(np.zeros(50 * RATE, "<i2").tobytes())
            process.stdin.close()
        except BrokenPipeError:
            pass
        assert b"Traceback" not in process.stderr.read()


def test_an_unknown_command_lists_the_commands(made, capsys):
    with pytest.raises(SystemExit) as error:
        main([str(made), "dance"])
    assert error.value.code == 2
    assert "serve" in capsys.readouterr().err


def test_a_server_ends_on_a_signal_during_a_request(recogniser, monkeypatch):
    def told(*_):
        raise Stopped

    options = _parser().parse_args(["bundle", "serve", "--port", "0"])
    with page(recogniser, options, lambda line: None) as server:
        monkeypatch.setattr(server, "process_request", told)
        with socket.create_connection(("127.0.0.1", server.server_port)), pytest.raises(Stopped):
            server.handle_request()
