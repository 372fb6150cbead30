"""What is told from speech, and how the threshold is found."""

import json

import numpy as np
import pytest

import sounds
from speech_emotion.audio.reading import read_audio, resample
from speech_emotion.errors import UserError
from speech_emotion.inference.likeness_fitting import fit_likeness, left_out_distances, stretches
from speech_emotion_jetson.likeness import FARTHEST, Likeness

RATE = 16000


@pytest.fixture
def rows():
    """id -> stretches (3, 4) of twelve utterances by four speakers; each speaker has a place of its own."""
    draws = np.random.default_rng(0)
    places = {speaker: draws.standard_normal(4) for speaker in "abcd"}
    return {f"{s}{n}": places[s] + 0.3 * draws.standard_normal((3, 4)) for s in "abcd" for n in range(30)}


@pytest.fixture
def speakers(rows):
    return {id: id[0] for id in rows}


@pytest.mark.parametrize("samples", [np.zeros(100), np.zeros(5 * RATE), np.full(RATE, 0.5), np.full(RATE, 1e-5)])
def test_silence_has_no_stretch_and_is_farthest(samples, rows, speakers):
    assert fit_likeness(rows, speakers, 0.05, 1.0).distance(stretches(samples.astype(np.float32), RATE)) == FARTHEST


def test_the_threshold_leaves_the_share_of_unheard_speakers_beyond_it(rows, speakers):
    likeness = fit_likeness(rows, speakers, 0.1, 1.0)
    beyond = np.mean([distance > likeness.threshold for distance in left_out_distances(rows, speakers).values()])
    assert beyond == pytest.approx(0.1, abs=0.01)


def test_the_margin_moves_the_threshold(rows, speakers):
    one, other = (fit_likeness(rows, speakers, 0.1, margin) for margin in (1.0, 1.3))
    assert other.threshold == pytest.approx(1.3 * one.threshold)


def test_a_left_out_speakers_distance_does_not_depend_on_its_own_speech(rows, speakers):
    before = left_out_distances(rows, speakers)
    changed = {id: values + 100 * (id[0] == "a" and id != "a0") for id, values in rows.items()}
    after = left_out_distances(changed, speakers)
    assert after["a0"] == pytest.approx(before["a0"])
    assert after["b0"] != pytest.approx(before["b0"])


def test_unheard_speakers_are_farther_than_heard_ones(rows, speakers):
    likeness = fit_likeness(rows, speakers, 0.05, 1.0)
    heard = np.mean([likeness.distance(values) * likeness.threshold for values in rows.values()])
    assert np.mean(list(left_out_distances(rows, speakers).values())) > heard


def test_one_speaker_alone_is_split_by_utterance(rows):
    some = {id: values for id, values in rows.items() if id[0] == "a"}
    distances = left_out_distances(some, dict.fromkeys(some, "a"))
    assert sorted(distances) == sorted(some)
    assert fit_likeness(some, dict.fromkeys(some, "a"), 0.05, 1.0).threshold > 0


def test_training_speech_that_is_all_silent_is_refused():
    with pytest.raises(UserError, match="all silent"):
        fit_likeness({"a": np.zeros((0,))}, {"a": "s"}, 0.05, 1.0)


def test_what_is_read_back_says_the_same(rows, speakers, tmp_path):
    likeness = fit_likeness(rows, speakers, 0.05, 1.0)
    (tmp_path / "likeness.json").write_text(json.dumps(likeness.to_json()))
    assert Likeness.from_file(tmp_path / "likeness.json").distance(rows["b1"]) == likeness.distance(rows["b1"])


def test_real_speech_of_an_unheard_speaker_passes_and_other_sounds_do_not(corpora):
    speech, speakers = {}, {}
    for path in sorted((corpora / "emodb" / "wav").glob("*.wav"))[::4]:
        audio = read_audio(path)
        speech[path.stem] = stretches(resample(audio.samples, audio.rate, RATE), RATE)
        speakers[path.stem] = path.stem[:2]
    unheard = {id for id in speech if speakers[id] in ("03", "16")}
    likeness = fit_likeness({id: rows for id, rows in speech.items() if id not in unheard}, speakers, 0.025, 1.2)
    assert np.mean([likeness.distance(speech[id]) > 1 for id in unheard]) <= 0.1  # of some 25 utterances
    for group in sounds.GROUPS:
        kinds = [kind for kind, (of, _) in sounds.KINDS.items() if of == group]
        flagged = [likeness.distance(stretches(sounds.sound(kind, n), RATE)) > 1 for kind in kinds for n in range(3)]
        assert np.mean(flagged) >= 0.8, group
