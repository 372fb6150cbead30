"""Out-of-distribution scores of speech and other sounds, and how the threshold is fitted."""

import json

import numpy as np
import pytest

import sounds
from speech_emotion.audio.reading import read_audio, resample
from speech_emotion.errors import UserError
from speech_emotion.inference.out_of_distribution_fitting import fit_detector, left_out_scores, segments
from speech_emotion_jetson.out_of_distribution import MAX_SCORE, OodDetector

RATE = 16000


@pytest.fixture
def rows():
    """id -> segments (3, 4) of twelve utterances by four speakers; each speaker has a mean of its own."""
    draws = np.random.default_rng(0)
    places = {speaker: draws.standard_normal(4) for speaker in "abcd"}
    return {f"{s}{n}": places[s] + 0.3 * draws.standard_normal((3, 4)) for s in "abcd" for n in range(30)}


@pytest.fixture
def speakers(rows):
    return {id: id[0] for id in rows}


@pytest.mark.parametrize("samples", [np.zeros(100), np.zeros(5 * RATE), np.full(RATE, 0.5), np.full(RATE, 1e-5)])
def test_silence_has_no_segment_and_gets_the_largest_score(samples, rows, speakers):
    assert fit_detector(rows, speakers, 0.05, 1.0).score(segments(samples.astype(np.float32), RATE)) == MAX_SCORE


def test_the_share_of_utterances_of_held_out_speakers_is_above_the_threshold(rows, speakers):
    detector = fit_detector(rows, speakers, 0.1, 1.0)
    beyond = np.mean([score > detector.threshold for score in left_out_scores(rows, speakers).values()])
    assert beyond == pytest.approx(0.1, abs=0.01)


def test_the_margin_multiplies_the_threshold(rows, speakers):
    one, other = (fit_detector(rows, speakers, 0.1, margin) for margin in (1.0, 1.3))
    assert other.threshold == pytest.approx(1.3 * one.threshold)


def test_a_left_out_speakers_score_does_not_depend_on_its_own_speech(rows, speakers):
    before = left_out_scores(rows, speakers)
    changed = {id: values + 100 * (id[0] == "a" and id != "a0") for id, values in rows.items()}
    after = left_out_scores(changed, speakers)
    assert after["a0"] == pytest.approx(before["a0"])
    assert after["b0"] != pytest.approx(before["b0"])


def test_held_out_speakers_score_higher_than_training_speakers(rows, speakers):
    detector = fit_detector(rows, speakers, 0.05, 1.0)
    fitted = np.mean([detector.score(values) * detector.threshold for values in rows.values()])
    assert np.mean(list(left_out_scores(rows, speakers).values())) > fitted


def test_a_single_speaker_is_split_by_utterance(rows):
    some = {id: values for id, values in rows.items() if id[0] == "a"}
    scores = left_out_scores(some, dict.fromkeys(some, "a"))
    assert sorted(scores) == sorted(some)
    assert fit_detector(some, dict.fromkeys(some, "a"), 0.05, 1.0).threshold > 0


def test_training_speech_that_is_all_silent_is_refused():
    with pytest.raises(UserError, match="all silent"):
        fit_detector({"a": np.zeros((0,))}, {"a": "s"}, 0.05, 1.0)


def test_a_detector_read_from_its_file_gives_the_same_score(rows, speakers, tmp_path):
    detector = fit_detector(rows, speakers, 0.05, 1.0)
    (tmp_path / "out_of_distribution.json").write_text(json.dumps(detector.to_json()))
    assert OodDetector.from_file(tmp_path / "out_of_distribution.json").score(rows["b1"]) == detector.score(rows["b1"])


def test_real_speech_of_held_out_speakers_passes_and_other_sounds_do_not(corpora):
    speech, speakers = {}, {}
    for path in sorted((corpora / "emodb" / "wav").glob("*.wav"))[::4]:
        audio = read_audio(path)
        speech[path.stem] = segments(resample(audio.samples, audio.rate, RATE), RATE)
        speakers[path.stem] = path.stem[:2]
    held_out = {id for id in speech if speakers[id] in ("03", "16")}
    detector = fit_detector({id: rows for id, rows in speech.items() if id not in held_out}, speakers, 0.025, 1.2)
    assert np.mean([detector.score(speech[id]) > 1 for id in held_out]) <= 0.1  # of some 25 utterances
    for group in sounds.GROUPS:
        kinds = [kind for kind, (of, _) in sounds.KINDS.items() if of == group]
        flagged = [detector.score(segments(sounds.sound(kind, n), RATE)) > 1 for kind in kinds for n in range(3)]
        assert np.mean(flagged) >= 0.8, group
