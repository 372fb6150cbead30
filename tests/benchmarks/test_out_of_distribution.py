"""The table of what is out of distribution, with two small corpora of coloured noise."""

import numpy as np
import pytest
import soundfile

import out_of_distribution

RATE = 16000


@pytest.fixture
def corpora(tmp_path):
    """Two corpora, `low` and `high`, of three speakers each; nothing sounds the same in both."""
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
    monkeypatch.setattr("sys.argv", ["out_of_distribution.py", *arguments])
    return out_of_distribution.main()


def test_each_corpus_detector_scores_its_own_speech_the_other_corpus_and_the_sounds(corpora, monkeypatch, capsys):
    assert run(monkeypatch, *(f"{name}={folder}" for name, folder in corpora.items()), "--sounds", "1") == 0
    _, *tables = capsys.readouterr().out.split("detector fitted to ")
    assert len(tables) == 2
    for text, own, other in zip(tables, ("low", "high"), ("high", "low"), strict=True):
        rows = {" ".join(line.split()[:-3]): line.split()[-3:] for line in text.splitlines()[1:] if line.strip()}
        assert [rows[f"{own}, speaker {speaker}"][0] for speaker in "abc"] == ["2", "2", "2"]
        assert rows[f"{own}, each speaker held out"][0] == "6"
        assert rows[other][:2] == ["6", "100.0"] and float(rows[other][2]) > 1
        assert rows["silence"][1] == rows["tones"][1] == "100.0"


@pytest.mark.parametrize(
    ("argument", "told"),
    [("low", "low: is not CORPUS=FOLDER: emodb=~/emodb"), ("emodb=/nowhere", "error: /nowhere: no such folder")],
)
def test_a_wrong_argument_is_reported_with_the_cure(monkeypatch, capsys, argument, told):
    assert run(monkeypatch, argument) == 1
    assert told in capsys.readouterr().err
