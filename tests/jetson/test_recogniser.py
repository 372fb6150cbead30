"""Answers for recordings and live speech; files get those of `speech-emotion predict`."""

import json
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from made_up_device import rewrite, seal
from made_up_export import HOP, LABELS, RATE, WINDOW, answer
from speech_emotion.audio.levels import set_level
from speech_emotion.export.device import make_device_bundle
from speech_emotion.inference import Recogniser as ProjectRecogniser
from speech_emotion_jetson import recogniser as module
from speech_emotion_jetson.bundle import opened
from speech_emotion_jetson.errors import AudioFault, UserError
from speech_emotion_jetson.recogniser import Recogniser

FORMATS = (
    ("a.wav", "PCM_U8"), ("a.wav", "PCM_16"), ("a.wav", "PCM_24"), ("a.wav", "FLOAT"), ("a.wav", "ALAW"),
    ("a.flac", "PCM_16"), ("a.ogg", "VORBIS"), ("a.mp3", "MPEG_LAYER_III"),
)  # fmt: skip


def values(said):
    return np.array(list(said.probabilities.values()))


@pytest.fixture
def project(made: Path) -> ProjectRecogniser:
    return ProjectRecogniser.load(made.parent / "export")


def same(ours, theirs):
    np.testing.assert_allclose(values(ours), values(theirs), atol=1e-3)
    assert (ours.emotion, ours.out_of_distribution) == (theirs.emotion, theirs.out_of_distribution)
    assert ours.seconds == theirs.seconds
    np.testing.assert_allclose(ours.ood_score, theirs.ood_score, rtol=2e-2)
    assert [(one.start, one.end) for one in ours.windows] == [(one.start, one.end) for one in theirs.windows]


@pytest.mark.parametrize(("name", "subtype"), FORMATS)
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_files_of_each_format_and_rate_get_the_same_answers_as_in_the_project(
    recogniser, project, tmp_path, waveform, name, subtype, rate
):
    stereo = np.stack([waveform, np.roll(waveform, 100) / 2], axis=1).clip(-1, 1)
    soundfile.write(tmp_path / name, stereo, rate, subtype=subtype)
    same(recogniser.predict_file(tmp_path / name), project.predict_file(tmp_path / name))


def test_one_window_gets_the_answer_of_the_graph(recogniser, waveform):
    prediction = recogniser.predict(waveform[:WINDOW], RATE)
    expected = answer(waveform[:WINDOW])
    np.testing.assert_allclose(values(prediction), expected, atol=1e-5)
    assert tuple(prediction.probabilities) == LABELS
    assert prediction.emotion == LABELS[expected.argmax()]
    assert [(window.start, window.end) for window in prediction.windows] == [(0.0, WINDOW / RATE)]


def test_a_long_waveform_gets_the_mean_over_its_windows_with_their_times(recogniser, waveform):
    prediction = recogniser.predict(waveform, RATE)
    starts = [*range(0, len(waveform) - WINDOW + 1, HOP), (len(waveform) - WINDOW) // 160 * 160]
    expected = np.array([answer(waveform[start : start + WINDOW]) for start in starts])
    np.testing.assert_allclose(values(prediction), expected.mean(axis=0), atol=1e-5)
    assert [window.start for window in prediction.windows] == [start / RATE for start in starts]
    for window, row in zip(prediction.windows, expected, strict=True):
        np.testing.assert_allclose(values(window), row, atol=1e-5)
        assert window.emotion == LABELS[row.argmax()]
    assert prediction.seconds == len(waveform) / RATE


def test_a_short_waveform_is_repeated_and_its_window_ends_with_it(recogniser, waveform):
    short = waveform[:1000]
    prediction = recogniser.predict(short, RATE)
    np.testing.assert_allclose(values(prediction), answer(np.resize(short, WINDOW)), atol=1e-5)
    assert prediction.windows[0].end == prediction.seconds == 1000 / RATE


def test_temperature_flattens_the_mean_and_keeps_the_emotion(recogniser, load, waveform):
    plain = recogniser.predict(waveform, RATE)
    flat = load(temperature=2.0).predict(waveform, RATE)
    expected = np.sqrt(values(plain)) / np.sqrt(values(plain)).sum()
    np.testing.assert_allclose(values(flat), expected, atol=1e-5)
    assert flat.emotion == plain.emotion


@pytest.mark.parametrize(("kind", "dbfs"), [("peak", -3.0), ("rms", -26.0)])
def test_the_level_is_normalised_before_the_graph(load, waveform, kind, dbfs):
    asked = load(level={"kind": kind, "dbfs": dbfs})
    window = waveform[:WINDOW]
    expected = answer(set_level(window, kind, dbfs))
    for gain in (1.0, 0.01):
        np.testing.assert_allclose(values(asked.predict(gain * window, RATE)), expected, atol=1e-5)
    silence = np.zeros(RATE, np.float32)
    np.testing.assert_allclose(values(asked.predict(silence, RATE)), answer(silence[:WINDOW]), atol=1e-6)


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros(0), RATE, "samples = none"),
        (np.array([0.1, np.nan]), RATE, "1 of 2 NaN or infinite"),
        (np.array([0.1, np.inf]), RATE, "1 of 2 NaN or infinite"),
        (np.zeros(100, np.int16), RATE, "samples = int16: must be floats"),
        (np.full(100, 12000.0), RATE, "full scale is 1"),
        (np.zeros((2, 16000)), RATE, r"must be \(N,\) or \(N, channels\)"),
        (np.zeros((2, 2, 2)), RATE, r"must be \(N,\) or \(N, channels\)"),
        (np.zeros(100), 4000, "sample_rate = 4000: must be within 8000 and 96000"),
        (np.zeros(2), 96000, "too few for one at 16000 Hz"),
    ],
)
def test_a_waveform_that_cannot_be_used_is_refused_with_the_cure(recogniser, samples, rate, message):
    with pytest.raises(UserError, match=message):
        recogniser.predict(samples, rate)


@pytest.mark.parametrize("samples", [np.zeros(1), np.zeros(RATE), np.full(RATE, 0.3), np.zeros((5 * RATE, 2))])
def test_silence_gets_an_answer_and_is_out_of_distribution(recogniser, samples):
    prediction = recogniser.predict(samples, RATE)
    assert prediction.out_of_distribution
    assert np.isclose(sum(prediction.probabilities.values()), 1)


def test_what_is_beyond_the_threshold_is_out_of_distribution(recogniser, device, waveform):
    near = recogniser.predict(waveform, RATE)
    path = device / "out_of_distribution.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "threshold": 1e-6}))
    with opened(seal(device)) as bundle:
        far = Recogniser.load(bundle, backend="cpu").predict(waveform, RATE)
    assert (near.out_of_distribution, far.out_of_distribution) == (False, True)
    assert near.ood_score < 1 < far.ood_score


@pytest.mark.parametrize("seconds", [0.05, 0.3, 100.0])
def test_answers_do_not_depend_on_blocks(recogniser, waveform, tmp_path, monkeypatch, seconds):
    soundfile.write(tmp_path / "a.wav", waveform, RATE, subtype="FLOAT")
    whole = recogniser.predict(waveform, RATE)
    monkeypatch.setattr(module, "BLOCK_SECONDS", seconds)
    for found in (recogniser.predict_file(tmp_path / "a.wav"), recogniser.predict(waveform, RATE)):
        np.testing.assert_array_equal(values(found), values(whole))


def test_a_file_that_cannot_be_read_is_refused_with_the_reason(recogniser, tmp_path):
    (tmp_path / "a.wav").write_text("this is no sound at all")
    with pytest.raises(AudioFault, match="not-audio"):
        recogniser.predict_file(tmp_path / "a.wav")


def test_live_speech_gets_each_window_of_the_whole_as_soon_as_it_is_full(recogniser, waveform):
    expected = recogniser.predict(waveform, RATE).windows
    come = 0

    def blocks():
        nonlocal come
        for at in range(0, len(waveform), 100):
            come = at + 100
            yield waveform[at : at + 100]

    found = []
    for window in recogniser.follow(blocks(), RATE):
        found.append(window)
        if come < len(waveform):
            assert come - 100 < window.end * RATE <= come
    assert [(one.start, one.end) for one in found] == [(one.start, one.end) for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
        assert one.smoothed == pytest.approx(other.smoothed, abs=1e-6)


def test_live_silence_and_sound_out_of_distribution_are_marked(recogniser, device, waveform):
    speech = np.tile(waveform, 4)
    loud, quiet = (list(recogniser.follow([gain * speech], RATE))[-1] for gain in (1.0, 0.0))
    assert (loud.silent, quiet.silent) == (False, True)
    assert 0 < loud.ood_score < 1 < quiet.ood_score


def test_live_memory_does_not_grow(recogniser):
    def blocks(count):
        for _ in range(count):
            yield np.zeros(1600, np.float32)

    def peak(count):
        tracemalloc.start()
        for _ in recogniser.follow(blocks(count), RATE):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(50)
    assert peak(600) < 1.2 * peak(100)


def test_memory_does_not_grow_with_the_samples_of_a_recording(made):
    def peak(seconds):
        tracemalloc.start()
        recogniser.predict_blocks(lambda: (np.zeros(RATE, np.float32) for _ in range(seconds)), RATE)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    with opened(made) as bundle:
        recogniser = Recogniser.load(bundle, backend="cpu", detect_ood=False)
        peak(2)
        short, long = peak(10), peak(110)
    assert long - short < 100 * RATE * 4 / 4  # a quarter of the samples: ten windows' answers a second


@pytest.fixture(scope="module")
def exported(made, tmp_path_factory):
    """An export and its device bundle: the made-up one, or the real one of EXPORTED=artifacts/export."""
    folder = os.environ.get("EXPORTED")
    if not folder:
        return made.parent / "export", made
    return Path(folder), make_device_bundle(Path(folder), tmp_path_factory.mktemp("real") / "device")


def test_real_speech_gets_the_same_answers_as_in_the_project(exported, corpora):
    theirs = ProjectRecogniser.load(exported[0])
    emodb = sorted((corpora / "emodb/wav").glob("*.wav"))[::36]
    ravdess = sorted(corpora.glob("ravdess/Actor_*/*.wav"))[::240]
    with opened(exported[1]) as bundle:
        ours = Recogniser.load(bundle, backend="cpu")
        for path in (*emodb, *ravdess):
            same(ours.predict_file(path), theirs.predict_file(path))


def test_a_damaged_out_of_distribution_file_is_refused(device):
    (device / "out_of_distribution.json").write_text("{}")
    with (
        opened(seal(rewrite(device))) as bundle,
        pytest.raises(UserError, match=r"out_of_distribution\.json: is damaged"),
    ):
        Recogniser.load(bundle, backend="cpu")


def test_without_the_detector_there_is_no_out_of_distribution_score(made, recogniser, waveform):
    with opened(made) as bundle:
        said = Recogniser.load(bundle, backend="cpu", detect_ood=False).predict(waveform, RATE)
    assert (said.out_of_distribution, said.ood_score) == (None, None)
    np.testing.assert_array_equal(values(said), values(recogniser.predict(waveform, RATE)))


def test_a_file_of_another_full_scale_is_refused_and_an_odd_name_is_not(recogniser, waveform, tmp_path):
    soundfile.write(tmp_path / "a.flac", waveform, RATE)
    (tmp_path / "a.flac").rename(tmp_path / "caf\udce9.flac")
    assert recogniser.predict_file(tmp_path / "caf\udce9.flac").windows
    soundfile.write(tmp_path / "loud.wav", 32768 * waveform, RATE, subtype="FLOAT")
    with pytest.raises(UserError, match="full scale is 1"):
        recogniser.predict_file(tmp_path / "loud.wav")
