"""The synthetic demo corpus as files."""

import wave
from collections import Counter

import numpy as np
import pytest

from speech_emotion.corpora import synthesis
from speech_emotion.corpora.known import demo
from speech_emotion.corpora.synthesis import SAMPLE_RATE, SPEAKERS, TEXTS, Line, script, synthesise, utterance, voice
from speech_emotion.corpora.synthesis_prosody import EMOTIONS
from speech_emotion.corpora.verification import published_sums, verify
from speech_emotion.recorder import Recorder
from speech_emotion.store.hashing import sha256_file

QUIET = Recorder(quiet=True)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The whole corpus, made by two workers."""
    folder = tmp_path_factory.mktemp("data") / "demo"
    synthesise(folder, 2, QUIET)
    return folder


def samples(path):
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, SAMPLE_RATE)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768


def test_bytes_match_the_committed_checksums(corpus):
    assert verify(demo.CORPUS, corpus).describe() == "demo: all 225 files are as published"


def test_one_worker_gives_the_same_bytes(tmp_path, monkeypatch):
    few = script()[::50]
    monkeypatch.setattr(synthesis, "script", lambda: few)
    synthesise(tmp_path / "demo", 1, QUIET)
    sums = published_sums(demo.CORPUS)
    assert {line.path: sha256_file(tmp_path / "demo" / line.path) for line in few} == {
        line.path: sums[line.path] for line in few
    }


def test_utterance_does_not_depend_on_what_was_made_before():
    line, other = script()[3], script()[120]
    by_itself = utterance(line)
    utterance(other)
    voice.cache_clear()
    assert np.array_equal(utterance(line), by_itself)


def test_every_speaker_says_every_text_with_every_emotion(corpus):
    entries = list(demo.read(corpus))
    assert len(entries) == len(SPEAKERS) * len(TEXTS) * len(EMOTIONS) == 224
    assert set(Counter((entry.speaker, entry.text, entry.emotion) for entry in entries).values()) == {1}
    assert Counter(demo.SEXES.values()) == {"female": 4, "male": 4}


def test_files_have_the_documented_lengths_and_sizes(corpus):
    paths = sorted(corpus.rglob("*.wav"))
    durations = np.array([len(samples(path)) / SAMPLE_RATE for path in paths])
    assert durations.min() > 1.1
    assert durations.max() < 3.5
    assert sum(path.stat().st_size for path in paths) < 20e6


def test_levels_are_those_of_a_good_recording(corpus):
    for path in sorted(corpus.rglob("*.wav")):
        recorded = samples(path)
        assert 0.02 < np.max(np.abs(recorded)) < 0.98
        assert np.sqrt(np.mean(recorded**2)) > 10 ** (-45 / 20)
        assert abs(np.mean(recorded)) < 0.01


def test_emotions_differ_on_average_as_they_should(corpus):
    def mean(emotion, of):
        return np.mean([of(samples(path)) for path in corpus.glob(f"*/*_{emotion}_1.wav")])

    def level(recorded):
        return 10 * np.log10(np.mean(recorded**2))

    assert mean("anger", level) > mean("neutral", level) + 3 > mean("sadness", level) + 6
    assert mean("fear", len) < mean("neutral", len) < mean("sadness", len)


def test_readme_says_that_the_speech_is_synthetic(corpus):
    assert (corpus / demo.NOTICE).read_text(encoding="utf-8").startswith("SYNTHETIC SPEECH")


def test_speakers_differ():
    voices = [voice(speaker) for speaker in SPEAKERS]
    assert len({round(one.pitch) for one in voices}) == len(SPEAKERS)
    high, low = (
        [v.pitch for v, s in zip(voices, SPEAKERS, strict=True) if demo.SEXES[s] == sex] for sex in ("female", "male")
    )
    assert min(high) > max(low)


def test_name_of_a_line_holds_its_labels():
    assert Line("03", "t2", "fear", 1).path == "03/03_t2_fear_1.wav"


def test_failure_leaves_the_existing_files(tmp_path, monkeypatch):
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "kept.txt").write_text("before")

    def fail(line):
        if line.speaker == "02":
            raise OSError("no space left")
        return np.zeros(10)

    monkeypatch.setattr(synthesis, "utterance", fail)
    with pytest.raises(OSError, match="no space left"):
        synthesise(folder, 1, QUIET)
    assert [path.name for path in tmp_path.rglob("*")] == ["demo", "kept.txt"]
