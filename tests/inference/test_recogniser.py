"""The export step's folder as a recogniser, with soundfile and soxr."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile

from made_up_export import LABELS, RATE
from speech_emotion.audio.reading import AudioFault, resample
from speech_emotion.errors import UserError
from speech_emotion.inference import Recogniser
from speech_emotion_jetson import recogniser


def values(prediction):
    return np.array(list(prediction.probabilities.values()))


def test_channels_are_averaged_and_resampled_to_the_models_rate(export, waveform):
    asked = Recogniser.load(export())
    high = resample(waveform, RATE, 44100)
    stereo = asked.predict(np.stack([2 * high, 0 * high], axis=1), 44100)
    np.testing.assert_allclose(values(stereo), values(asked.predict(resample(high, 44100, RATE), RATE)), atol=1e-5)


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


@pytest.mark.parametrize("seconds", [0.05, 0.3, 100.0])
def test_answers_at_another_rate_do_not_depend_on_blocks(export, waveform, monkeypatch, seconds):
    asked = Recogniser.load(export())
    expected = values(asked.predict(waveform, 44100))
    monkeypatch.setattr(recogniser, "BLOCK_SECONDS", seconds)
    np.testing.assert_allclose(values(asked.predict(waveform, 44100)), expected, atol=1e-6)


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
    ("name", "message"),
    [
        ("bundle.json", "bundle.json: is not there: run the export"),
        ("fp32.onnx", "fp32.onnx: is not there: copy"),
        ("out_of_distribution.json", r"out_of_distribution.json: is not there: copy .*, or export again \(dvc repro\)"),
    ],
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
    [
        ("{", "is damaged"),
        ("{}", "window_samples: is missing: run the export step again"),
        ("[]", "damaged"),
        ({"temperature": "hot"}, r"temperature = \"hot\": .*: run the export step again"),
    ],
)
def test_a_damaged_bundle_is_refused(export, text, message):
    folder = export(**text) if isinstance(text, dict) else export()
    if isinstance(text, str):
        (folder / "bundle.json").write_text(text)
    with pytest.raises(UserError, match=message):
        Recogniser.load(folder)


def test_inference_imports_no_training_packages(export, tmp_path, waveform):
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
