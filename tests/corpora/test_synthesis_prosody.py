"""How the synthetic speakers express emotions."""

import numpy as np
import pytest

from speech_emotion.corpora.synthesis_prosody import (
    CUES,
    EMOTIONS,
    LIMITS,
    NEIGHBOURS,
    Syllable,
    habits,
    manner,
    parse_text,
    plan,
    portray,
)
from speech_emotion.randomness import generator

NEUTRAL = {cue: row[0] for cue, row in CUES.items()}
PLAIN, ALL = dict.fromkeys(CUES, 0.0), dict.fromkeys(CUES, 1.0)
TEXT = "ba 'di mo | na 'sun"


def spoken(**changes):
    return plan(TEXT, NEUTRAL | changes, 120.0, 1.0, generator(0, "test"))


def mean_of(emotion, cue, count=300):
    return np.mean([portray(emotion, PLAIN, ALL, generator(0, n))[cue] for n in range(count)])


def test_text_is_parsed_with_stress_and_phrases():
    assert parse_text("ba 'di | mon") == [
        Syllable("ba", stressed=False, final=False),
        Syllable("di", stressed=True, final=True),
        Syllable("mon", stressed=False, final=True),
    ]


def test_text_with_an_unknown_phoneme_is_refused():
    with pytest.raises(ValueError, match=r"phonemes \['x'\] are not known"):
        parse_text("ba xi")


def test_every_cue_has_a_shift_for_every_emotion_but_neutral():
    assert {len(row[1]) for row in CUES.values()} == {len(EMOTIONS) - 1}
    assert EMOTIONS[-1] == "neutral"
    assert set(LIMITS) <= set(CUES)
    assert set(NEIGHBOURS) == set(EMOTIONS)


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_portrayals_stay_within_the_limits_of_a_voice(emotion):
    for n in range(200):
        random = generator(0, emotion, n)
        expression = portray(emotion, habits(random), manner(random), random)
        assert all(low <= expression[cue] <= high for cue, (low, high) in LIMITS.items())
        assert set(expression) == set(CUES)


@pytest.mark.parametrize(
    ("cue", "above", "below"),
    [  # Scherer 2003, table 2; Murray and Arnott 1993 for disgust
        ("pitch", ("anger", "fear", "happiness"), ("sadness", "boredom", "disgust")),
        ("span", ("anger", "happiness"), ("sadness", "boredom")),
        ("energy", ("anger", "happiness"), ("sadness",)),
        ("rate", ("anger", "fear", "happiness"), ("sadness", "boredom", "disgust")),
    ],
)
def test_cues_move_as_the_literature_says(cue, above, below):
    neutral = mean_of("neutral", cue)
    assert all(mean_of(emotion, cue) > neutral for emotion in above)
    assert all(mean_of(emotion, cue) < neutral for emotion in below)


def test_portrayals_of_one_emotion_differ_in_strength():
    pitches = [portray("fear", PLAIN, ALL, generator(0, n))["pitch"] for n in range(200)]
    full = CUES["pitch"][1][EMOTIONS.index("fear")]
    assert min(pitches) < 0.6 * full
    assert max(pitches) > full


def test_faster_speech_is_shorter():
    assert len(spoken(rate=0.3).f0) < len(spoken().f0) < len(spoken(rate=-0.3).f0)


def test_pitch_is_in_semitones_relative_to_the_speaker():
    assert np.allclose(spoken(pitch=12.0).f0, 2 * spoken().f0)


def test_wider_span_moves_f0_more():
    assert np.std(np.log(spoken(span=1.0).f0)) > 1.3 * np.std(np.log(spoken(span=-1.0).f0))


def test_rising_ending_ends_higher():
    assert spoken(ending=4.0).f0[-1] > 1.2 * spoken(ending=-4.0).f0[-1]


def test_shorter_tract_raises_all_formants():
    long, short = (plan(TEXT, NEUTRAL, 120.0, tract, generator(0, "test")).formants for tract in (1.0, 1.2))
    assert np.allclose(short, 1.2 * long)


def test_reduced_vowels_are_closer_together():
    def spread(precision):
        return np.ptp(spoken(precision=precision).formants[:, 1])

    assert spread(-0.6) < 0.8 * spread(0.0)


def test_silence_before_after_and_between_phrases():
    voicing = spoken(pauses=1.0).voicing
    silent = voicing < 1e-9
    assert silent[0] and silent[-1]
    assert np.sum(np.diff(silent.astype(int)) == 1) >= 2  # a pause, and the end
