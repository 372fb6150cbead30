"""The table of sounds marked as out of distribution, for two small corpora of coloured noise."""

import numpy as np
import pytest
import soundfile

import unlike_training

RATE = 16000


@pytest.fixture
def corpora(tmp_path):
    """Two corpora, `low` and `high`, with three speakers each and different spectra."""
    draws, found = np.random.default_rng(0), {}
    for name, colour in (("low", 0.95), ("high", -0.95)):
        lines = ["path,speaker,emotion"]
        (tmp_path / name).mkdir()
        for speaker in "abc":
            for take, emotion in enumerate(("anger", "sadness")):
                noise = draws.standard_normal(3 * RATE)
                for place in range(1, len(noise)):
                    noise[place] += colour * noise[place - 1]
                path = f"{speaker}{take}.wav"
                soundfile.write(tmp_path / name / path, 0.3 * noise / np.abs(noise).max(), RATE)
                lines.append(f"{path},{speaker},{emotion}")
        (tmp_path / name / "utterances.csv").write_text("\n".join(lines) + "\n")
        found[name] = tmp_path / name
    return found


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["unlike_training.py", *arguments])
    return unlike_training.main()


@pytest.mark.slow
def test_each_corpus_scores_itself_the_other_and_the_sounds(corpora, monkeypatch, capsys):
    assert run(monkeypatch, *(f"{name}={folder}" for name, folder in corpora.items()), "--sounds", "1") == 0
    _, *tables = capsys.readouterr().out.split("scored by a model of ")
    assert len(tables) == 2
    for text, own, other in zip(tables, ("low", "high"), ("high", "low"), strict=True):
        rows = {" ".join(line.split()[:-3]): line.split()[-3:] for line in text.splitlines()[1:] if line.strip()}
        assert [rows[f"{own}, speaker {speaker}"][0] for speaker in "abc"] == ["2", "2", "2"]
        assert rows[f"{own}, held-out speakers"][0] == "6"
        assert rows[other][:2] == ["6", "100.0"] and float(rows[other][2]) > 1
        assert rows["silence"][1] == rows["tones"][1] == "100.0"


@pytest.mark.parametrize(
    ("argument", "message"),
    [("low", "low: is not CORPUS=FOLDER: emodb=~/emodb"), ("emodb=/nowhere", "error: /nowhere: no such folder")],
)
def test_a_wrong_argument_is_reported_with_the_cure(monkeypatch, capsys, argument, message):
    assert run(monkeypatch, argument) == 1
    assert message in capsys.readouterr().err
