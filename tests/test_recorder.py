"""The progress that a recorder shows."""

import sys

from speech_emotion.recorder import Recorder


def test_in_a_log_progress_is_complete_lines(capsys):
    recorder = Recorder()
    for item in recorder.progress("ab", "letters"):
        recorder.note(f"at {item}")
    said = capsys.readouterr().err
    assert "\r" not in said and said.endswith("\n") and "" not in said.splitlines()
    assert said.startswith("letters:   0%") and "\nat a\nat b\n" in said and "letters: 100%" in said.splitlines()[-1]


def test_on_a_terminal_progress_is_one_line_that_changes(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    list(Recorder().progress("ab", "letters"))
    assert capsys.readouterr().err.startswith("\rletters:   0%")


def test_a_quiet_recorder_shows_nothing(capsys):
    recorder = Recorder(quiet=True)
    list(recorder.progress("ab", "letters"))
    recorder.note("done")
    assert capsys.readouterr().err == ""
