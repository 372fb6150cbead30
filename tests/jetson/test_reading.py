"""Audio files of all kinds, valid and broken: read and refused as in the project."""

import struct

import numpy as np
import pytest
import soundfile

from speech_emotion.audio.reading import read_audio
from speech_emotion_jetson import reading
from speech_emotion_jetson.errors import AudioFault
from speech_emotion_jetson.reading import Source

RATE = 16000
WAVS = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW")


@pytest.fixture
def noise():
    return (0.2 * np.random.default_rng(0).standard_normal((RATE, 2))).clip(-1, 1)


def write(path, samples, rate=RATE, **options):
    soundfile.write(path, samples, rate, **options)
    return path


def samples_of(path, seconds=0.3):
    return np.concatenate(list(Source(path).blocks(seconds)))


def fault(path, **options):
    with pytest.raises(AudioFault) as error:
        list(Source(path, **options).blocks(0.3))
    assert str(path.parent) not in error.value.detail
    return error.value.reason


@pytest.mark.parametrize("subtype", WAVS)
@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RF64"])
def test_wav_of_each_encoding_is_read_as_in_the_project(tmp_path, noise, monkeypatch, form, subtype):
    path = write(tmp_path / "a.wav", noise, subtype=subtype, format=form)
    expected = read_audio(path)
    monkeypatch.setattr(reading, "soundfile", lambda: None)  # only numpy
    np.testing.assert_array_equal(samples_of(path), expected.samples)
    assert (Source(path).rate, Source(path).channels, Source(path).seconds) == (RATE, 2, 1.0)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT"])
def test_big_endian_wav_is_read(tmp_path, noise, monkeypatch, subtype):
    path = write(tmp_path / "a.wav", noise, subtype=subtype, endian="BIG")
    assert path.read_bytes()[:4] == b"RIFX"
    expected = read_audio(path)
    monkeypatch.setattr(reading, "soundfile", lambda: None)
    np.testing.assert_array_equal(samples_of(path), expected.samples)


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.opus", "a.mp3"])
def test_other_formats_are_read_as_in_the_project(tmp_path, noise, name):
    kind = {"format": "OGG", "subtype": "OPUS"} if name.endswith("opus") else {}
    path = write(tmp_path / name, noise, **kind)
    np.testing.assert_array_equal(samples_of(path), read_audio(path).samples)


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.mp3"])
def test_without_soundfile_other_formats_are_refused_with_the_cure(tmp_path, noise, monkeypatch, name):
    path = write(tmp_path / name, noise)
    monkeypatch.setattr(reading, "soundfile", lambda: None)
    with pytest.raises(AudioFault, match="pip install soundfile, or convert it to WAV") as error:
        Source(path)
    assert error.value.reason == "needs-soundfile"
    assert reading.formats() == ("WAV",)


def test_a_wav_encoding_that_numpy_does_not_know_goes_through_soundfile(tmp_path, noise, monkeypatch):
    path = write(tmp_path / "a.wav", noise, subtype="MS_ADPCM")
    np.testing.assert_array_equal(samples_of(path), read_audio(path).samples)
    monkeypatch.setattr(reading, "soundfile", lambda: None)
    assert fault(path) == "encoding"


@pytest.mark.parametrize("seconds", [0.001, 0.037, 0.5, 9.0])
def test_blocks_together_are_the_file(tmp_path, noise, seconds):
    path = write(tmp_path / "a.wav", noise)
    np.testing.assert_array_equal(samples_of(path, seconds), read_audio(path).samples)


def spoil(path, how):
    content = bytearray(path.read_bytes())
    if how == "text":
        content = b"this is no sound at all"
    elif how == "utf-16":
        content = "Text im Text".encode("utf-16")
    elif how == "zeros":
        content = bytes(4000)
    elif how == "empty":
        content = b""
    elif how == "half":
        content = content[: len(content) // 2]
    elif how == "one byte less":
        content = content[:-1]
    elif how == "header":
        content = content[:30]
    elif how == "unknown length":
        content[40:44] = struct.pack("<I", 0xFFFFFFFF)
    elif how == "chunks":
        note = b"LIST" + struct.pack("<I", 5) + b"notes\x00"
        content = content[:36] + note + content[36:] + note
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.ogg"])
@pytest.mark.parametrize("how", ["text", "utf-16", "zeros", "empty", "half", "one byte less", "header"])
def test_files_are_refused_for_the_same_reason_as_in_the_project(tmp_path, noise, name, how):
    path = spoil(write(tmp_path / name, noise), how)
    try:
        read_audio(path)
    except AudioFault as expected:
        assert fault(path) == expected.reason
    else:
        samples_of(path)


def test_utf_16_text_is_not_taken_for_mp3():
    assert reading.content_type("Text im Text".encode("utf-16")) is None


@pytest.mark.parametrize("size", range(12, 80, 4))
def test_a_file_truncated_within_its_header_is_refused(tmp_path, noise, monkeypatch, size):
    path = write(tmp_path / "a.wav", noise, format="RF64")
    content = path.read_bytes()
    assert content[12:16] == b"ds64"
    path.write_bytes(content[:size])
    monkeypatch.setattr(reading, "soundfile", lambda: None)
    assert fault(path) == "truncated"


@pytest.mark.parametrize("how", ["unknown length", "chunks"])
def test_unusual_valid_headers_are_read(tmp_path, noise, how):
    path = spoil(write(tmp_path / "a.wav", noise), how)
    np.testing.assert_array_equal(samples_of(path), read_audio(path).samples)


@pytest.mark.parametrize(
    ("content", "named"), [("a.mp3", "b.wav"), ("a.flac", "b.wav"), ("a.wav", "b.flac"), ("a.aiff", "b.wav")]
)
def test_content_and_name_must_agree(tmp_path, noise, content, named):
    assert fault(write(tmp_path / content, noise).rename(tmp_path / named)) == "wrong-format"


@pytest.mark.parametrize("rate", [4000, 7999, 96001, 192000])
def test_rates_out_of_range_are_refused(tmp_path, noise, rate):
    assert fault(write(tmp_path / "a.wav", noise, rate)) == "sample-rate"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_a_sample_that_is_not_finite_late_in_a_file_is_refused(tmp_path, noise, bad, subtype):
    noise[-5, 1] = bad
    assert fault(write(tmp_path / "a.wav", noise, subtype=subtype)) == "not-finite"


def test_missing_empty_too_long_and_unknown_files_are_refused(tmp_path, noise):
    assert fault(tmp_path / "a.wav") == "missing"
    assert fault(write(tmp_path / "a.wav", np.zeros(0))) == "no-samples"
    assert fault(write(tmp_path / "b.wav", noise), max_seconds=0.9) == "too-long"
    assert fault((tmp_path / "b.wav").rename(tmp_path / "b.txt")) == "not-audio"
    (tmp_path / "folder.wav").mkdir()
    assert fault(tmp_path / "folder.wav") == "missing"


def test_a_header_of_many_channels_is_refused(tmp_path, noise):
    path = write(tmp_path / "a.wav", noise)
    content = bytearray(path.read_bytes())
    content[22:24], content[32:34] = struct.pack("<H", 200), struct.pack("<H", 400)
    path.write_bytes(content)
    assert fault(path) == "channels"
