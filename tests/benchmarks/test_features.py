"""The tables of the features' speed, for one utterance; no time is asserted."""

import re

import numpy as np
import pytest
import soundfile

import features as benchmark
from speech_emotion.params import load_params

RATE = 16000


def run(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr(benchmark, "ROUNDS", 1)
    monkeypatch.setattr("sys.argv", ["features.py", *arguments])
    code = benchmark.main()
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_every_feature_and_the_whole_set_have_a_row(monkeypatch, capsys):
    monkeypatch.delenv("CORPORA", raising=False)
    code, out, _ = run(monkeypatch, capsys, "--limit", "1")
    assert code == 0
    assert "1 waveforms" in out
    number = r" +\d+\.\d+"
    for name, feature in load_params().features.items():
        if feature.kind not in benchmark.PITCH_KINDS:
            columns = 1 if feature.kind in ("statistics", "speech-rate") else 3
            assert re.search(rf"^{name}{number * columns}$", out, re.MULTILINE), name
    for name in ("F0 and voicing", "whole set, with F0", "whole set, without F0"):
        assert re.search(rf"^{name}{number * 3}$", out, re.MULTILINE), name
    same, near = map(float, re.search(r"voicing: ([\d.]+)%.* ([\d.]+)%", out).groups())
    assert same >= 97
    assert near >= 99


def test_waveforms_are_picked_evenly_from_a_folder(tmp_path):
    for n in range(10):
        soundfile.write(tmp_path / f"{n}.wav", np.full(RATE + n, 0.25), RATE)
    found = benchmark.waveforms(tmp_path, 5, load_params())
    assert [len(one) - RATE for one in found] == [0, 2, 4, 6, 8]
    assert len(benchmark.waveforms(tmp_path, 20, load_params())) == 10


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(["--limit", "0"], "--limit = 0: must be at least 1"), (["{empty}"], "has no WAV files")],
    ids=["no waveforms requested", "empty folder"],
)
def test_without_waveforms_an_error_is_reported(arguments, expected, tmp_path, monkeypatch, capsys):
    code, _, err = run(monkeypatch, capsys, *(one.format(empty=tmp_path) for one in arguments))
    assert code == 1
    assert expected in err
