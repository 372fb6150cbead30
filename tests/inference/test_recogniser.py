"""The exported model asked about waveforms and files."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from made_up_export import HOP, LABELS, RATE, WINDOW, answer
from speech_emotion.audio.reading import AudioFault, resample
from speech_emotion.errors import UserError
from speech_emotion.inference import Recogniser, recogniser


def values(prediction):
    return np.array(list(prediction.probabilities.values()))


def test_one_window_gets_the_graphs_own_answer(export, waveform):
    prediction = Recogniser.load(export()).predict(waveform[:WINDOW], RATE)
    expected = answer(waveform[:WINDOW])
    np.testing.assert_allclose(values(prediction), expected, atol=1e-5)
    assert tuple(prediction.probabilities) == LABELS
    assert prediction.emotion == LABELS[expected.argmax()]
    assert [(window.start, window.end) for window in prediction.windows] == [(0.0, WINDOW / RATE)]


def test_a_long_waveform_gets_the_mean_over_its_windows_with_their_times(export, waveform):
    prediction = Recogniser.load(export()).predict(waveform, RATE)
    starts = [*range(0, len(waveform) - WINDOW + 1, HOP), (len(waveform) - WINDOW) // 160 * 160]
    expected = np.array([answer(waveform[start : start + WINDOW]) for start in starts])
    np.testing.assert_allclose(values(prediction), expected.mean(axis=0), atol=1e-5)
    assert [window.start for window in prediction.windows] == [start / RATE for start in starts]
    for window, row in zip(prediction.windows, expected, strict=True):
        np.testing.assert_allclose(values(window), row, atol=1e-5)
        assert window.emotion == LABELS[row.argmax()]
    assert prediction.seconds == len(waveform) / RATE


def test_a_short_waveform_is_repeated_and_its_window_ends_with_it(export, waveform):
    short = waveform[:1000]
    prediction = Recogniser.load(export()).predict(short, RATE)
    np.testing.assert_allclose(values(prediction), answer(np.resize(short, WINDOW)), atol=1e-5)
    assert prediction.windows[0].end == prediction.seconds == 1000 / RATE


def test_temperature_flattens_the_mean_and_keeps_the_emotion(export, waveform):
    plain = Recogniser.load(export()).predict(waveform, RATE)
    flat = Recogniser.load(export("flat", temperature=2.0)).predict(waveform, RATE)
    expected = np.sqrt(values(plain)) / np.sqrt(values(plain)).sum()
    np.testing.assert_allclose(values(flat), expected, atol=1e-5)
    assert flat.emotion == plain.emotion


def test_channels_are_averaged_and_the_rate_is_brought_to_the_models(export, waveform):
    asked = Recogniser.load(export())
    high = resample(waveform, RATE, 44100)
    stereo = asked.predict(np.stack([2 * high, 0 * high], axis=1), 44100)
    np.testing.assert_allclose(values(stereo), values(asked.predict(resample(high, 44100, RATE), RATE)), atol=1e-5)


def test_the_level_of_the_bundle_is_set_before_the_graph(export, waveform):
    asked = Recogniser.load(export(level={"kind": "rms", "dbfs": -26.0}))
    loud, quiet = (values(asked.predict(gain * waveform, RATE)) for gain in (1.0, 0.01))
    np.testing.assert_allclose(loud, quiet, atol=1e-5)


@pytest.mark.parametrize("seconds", [0.05, 0.3, 100.0])
def test_answers_do_not_depend_on_how_the_waveform_is_cut_into_blocks(export, waveform, monkeypatch, seconds):
    expected = Recogniser.load(export()).predict(waveform, RATE)
    monkeypatch.setattr(recogniser, "BLOCK_SECONDS", seconds)
    found = Recogniser.load(export("again")).predict(waveform, RATE)
    assert found == expected


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [
        ("a.wav", "PCM_16", 1e-3),
        ("a.wav", "PCM_24", 1e-4),
        ("a.flac", "PCM_16", 1e-3),
        ("a.ogg", "VORBIS", 0.2),
        ("a.mp3", "MPEG_LAYER_III", 0.2),
    ],
)
def test_files_of_each_format_get_the_answer_of_their_samples(export, tmp_path, waveform, name, subtype, tolerance):
    soundfile.write(tmp_path / name, waveform, RATE, subtype=subtype)
    asked = Recogniser.load(export())
    found = asked.predict_file(tmp_path / name)
    np.testing.assert_allclose(values(found), values(asked.predict(waveform, RATE)), atol=tolerance)
    assert found.seconds == len(waveform) / RATE


def test_a_text_file_with_the_name_of_audio_is_refused_with_the_reason(export, tmp_path):
    (tmp_path / "a.wav").write_text("this is no sound at all")
    with pytest.raises(AudioFault, match="not-audio"):
        Recogniser.load(export()).predict_file(tmp_path / "a.wav")


def test_a_file_with_nan_late_in_it_is_refused(export, tmp_path, monkeypatch, waveform):
    monkeypatch.setattr(recogniser, "BLOCK_SECONDS", 0.2)
    waveform[-5] = np.nan
    soundfile.write(tmp_path / "a.wav", waveform, RATE, subtype="FLOAT")
    with pytest.raises(AudioFault, match="not-finite"):
        Recogniser.load(export()).predict_file(tmp_path / "a.wav")


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
        (np.zeros(100), 4000, "sample_rate = 4000: must lie within 8000 and 96000"),
        (np.zeros(2), 96000, "are none at 16000 Hz"),
    ],
)
def test_a_waveform_that_cannot_be_used_is_refused_with_the_cure(export, samples, rate, message):
    with pytest.raises(UserError, match=message):
        Recogniser.load(export()).predict(samples, rate)


@pytest.mark.parametrize("samples", [np.zeros(1), np.zeros(RATE), np.full(RATE, 0.3), np.zeros((5 * RATE, 2))])
def test_silence_is_answered_and_called_unlike_the_training_speech(export, samples):
    prediction = Recogniser.load(export(threshold=1e6)).predict(samples, RATE)
    assert prediction.unlike_training
    assert np.isclose(sum(prediction.probabilities.values()), 1)


def test_what_lies_beyond_the_threshold_is_called_unlike(export, waveform):
    near = Recogniser.load(export("near", threshold=1e6)).predict(waveform, RATE)
    far = Recogniser.load(export("far", threshold=1e-6)).predict(waveform, RATE)
    assert (near.unlike_training, far.unlike_training) == (False, True)
    assert near.distance < 1 < far.distance


def test_a_prediction_is_plain_json(export, waveform):
    prediction = Recogniser.load(export()).predict(waveform, RATE)
    record = json.loads(json.dumps(prediction.to_json(windows=True), allow_nan=False))
    assert record["emotion"] == prediction.emotion
    assert record["windows"][1]["start"] == HOP / RATE
    assert "windows" not in prediction.to_json()


@pytest.mark.parametrize(
    ("name", "message"),
    [("bundle.json", "bundle.json: is not there: run the export"), ("fp32.onnx", "fp32.onnx: is not there: copy")],
)
def test_a_folder_that_lacks_a_file_is_refused(export, name, message):
    folder = export()
    (folder / name).unlink()
    with pytest.raises(UserError, match=message):
        Recogniser.load(folder)


def test_a_model_of_another_export_is_refused(export):
    folder = export()
    (folder / "fp32.onnx").write_bytes(b"another")
    with pytest.raises(UserError, match=r"fp32\.onnx: is not the file that bundle\.json describes"):
        Recogniser.load(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is damaged"), ("{}", "level: is missing: run the export step again"), ("[]", "damaged")],
)
def test_a_damaged_bundle_is_refused(export, text, message):
    folder = export()
    (folder / "bundle.json").write_text(text)
    with pytest.raises(UserError, match=message):
        Recogniser.load(folder)


def test_inference_loads_nothing_that_small_machines_lack(export, tmp_path, waveform):
    np.save(tmp_path / "waveform.npy", waveform)
    program = (
        "import sys, numpy as np\n"
        "from speech_emotion.inference import Recogniser\n"
        f"said = Recogniser.load({str(export())!r}).predict(np.load({str(tmp_path / 'waveform.npy')!r}), 44100)\n"
        "print(said.emotion)\n"
        "heavy = {'torch', 'mlflow', 'librosa', 'pandas', 'pyarrow', 'scipy', 'sklearn', 'onnx', 'pydantic', 'dvc'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.splitlines()[0] in LABELS
    assert finished.stdout.splitlines()[1] == "[]"
