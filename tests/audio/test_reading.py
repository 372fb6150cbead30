"""Reading audio files of all kinds, valid and broken ones."""

import copy
import struct

import numpy as np
import pytest
import soundfile

from speech_emotion.audio.reading import AudioFault, check_audio, read_audio, resample, stream_audio

RATE = 16000


@pytest.fixture
def tone():
    return (0.3 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)).astype(np.float32)


def write(path, samples, rate=RATE, **options):
    soundfile.write(path, samples, rate, **options)
    return path


def reason(path, *interval, **options):
    with pytest.raises(AudioFault) as fault:
        read_audio(path, *interval, **options)
    assert str(path) in str(fault.value)
    assert str(path.parent) not in fault.value.detail
    return fault.value.reason


@pytest.mark.parametrize(
    ("subtype", "step"),
    [("PCM_U8", 2**-7), ("PCM_16", 2**-15), ("PCM_24", 2**-23), ("PCM_32", 2**-24), ("FLOAT", 1e-9)],
)
def test_wav_of_each_depth_is_read_to_its_precision(tmp_path, tone, subtype, step):
    audio = read_audio(write(tmp_path / "a.wav", tone, subtype=subtype))
    assert audio.samples.dtype == np.float32
    assert audio.samples.shape == tone.shape
    np.testing.assert_allclose(audio.samples, tone, atol=step)
    assert (audio.rate, audio.channels, audio.seconds) == (RATE, 1, 1.0)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
def test_sample_rates_from_8_to_96_khz_are_read(tmp_path, tone, rate):
    assert read_audio(write(tmp_path / "a.wav", tone, rate)).rate == rate


@pytest.mark.parametrize("rate", [4000, 7999, 96001, 192000])
def test_other_sample_rates_are_refused(tmp_path, tone, rate):
    assert reason(write(tmp_path / "a.wav", tone, rate)) == "sample-rate"


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [
        ("a.flac", "PCM_16", 1e-4),
        ("a.ogg", "VORBIS", 0.03),
        ("a.opus", "OPUS", 0.03),
        ("a.mp3", "MPEG_LAYER_III", 0.03),
    ],
)
def test_other_formats_are_read_without_a_shift_in_time(tmp_path, tone, name, subtype, tolerance):
    kind = {"format": "OGG"} if name.endswith("opus") else {}
    audio = read_audio(write(tmp_path / name, tone, subtype=subtype, **kind))
    assert len(audio.samples) == len(tone)
    inner = slice(4000, 12000)
    error = audio.samples[inner] - tone[inner]
    assert np.sqrt(np.mean(error**2)) < tolerance


def test_stereo_becomes_the_mean_of_its_channels(tmp_path, tone):
    audio = read_audio(write(tmp_path / "a.wav", np.stack([tone, -tone / 2], axis=1), subtype="FLOAT"))
    assert audio.channels == 2
    np.testing.assert_allclose(audio.samples, tone / 4, atol=1e-7)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
def test_a_part_is_the_slice_of_the_whole(tmp_path, tone, name):
    path = write(tmp_path / name, tone)
    part = read_audio(path, 0.25, 0.75)
    np.testing.assert_array_equal(part.samples, read_audio(path).samples[4000:12000])
    assert (part.start, part.end) == (0.25, 0.75)


@pytest.mark.parametrize("interval", [(0.5, 1.01), (1.0, None), (0.5, 0.5), (-0.1, 0.5)])
def test_a_part_outside_the_file_is_refused(tmp_path, tone, interval):
    assert reason(write(tmp_path / "a.wav", tone), *interval) == "interval"


def test_a_rounded_end_one_sample_too_late_is_the_end(tmp_path, tone):
    assert read_audio(write(tmp_path / "a.wav", tone), 0.0, 1.0 + 1 / RATE).end == 1.0


def test_missing_file(tmp_path):
    assert reason(tmp_path / "a.wav") == "missing"


def test_empty_file(tmp_path):
    path = tmp_path / "a.wav"
    path.touch()
    assert reason(path) == "empty"


@pytest.mark.parametrize(
    "content", [b"this is no sound", b"\xff\xfeT\x00e\x00x\x00t\x00 \x00", bytes(4000), b"R", "Grüße".encode()]
)
def test_text_and_noise_named_wav_are_not_audio(tmp_path, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert reason(path) == "not-audio"


def test_audio_with_an_unknown_ending_is_not_audio(tmp_path, tone):
    path = write(tmp_path / "a.wav", tone)
    assert reason(path.rename(tmp_path / "a.txt")) == "not-audio"


@pytest.mark.parametrize(
    ("content", "cure"),
    [
        ("a.mp3", "rename it to .mp3"),
        ("a.flac", "rename it to .flac"),
        ("a.aiff", "convert it"),
        ("a.au", "convert it"),
    ],
)
def test_another_format_named_wav_is_refused_with_the_cure(tmp_path, tone, content, cure):
    path = write(tmp_path / content, tone).rename(tmp_path / "b.wav")
    with pytest.raises(AudioFault, match=cure) as fault:
        read_audio(path)
    assert fault.value.reason == "wrong-format"


def test_wav_named_flac_is_refused(tmp_path, tone):
    assert reason(write(tmp_path / "a.wav", tone).rename(tmp_path / "a.flac")) == "wrong-format"


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
@pytest.mark.parametrize("kept", [0.97, 0.5, 0.1])
def test_truncated_file(tmp_path, name, kept):
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * RATE).astype(np.float32)
    path = write(tmp_path / name, noise)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    assert reason(path) == "truncated"


def test_wav_cut_within_its_header_is_truncated(tmp_path, tone):
    path = write(tmp_path / "a.wav", tone)
    path.write_bytes(path.read_bytes()[:30])
    assert reason(path) == "truncated"


def test_wav_with_one_byte_missing_is_truncated(tmp_path, tone):
    path = write(tmp_path / "a.wav", tone)
    path.write_bytes(path.read_bytes()[:-1])
    assert reason(path) == "truncated"


def test_wav_written_to_a_pipe_is_read_to_its_end(tmp_path, tone):
    path = write(tmp_path / "a.wav", tone)
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(content)
    assert len(read_audio(path).samples) == RATE


def test_wav_with_chunks_around_its_samples_is_read(tmp_path, tone):
    path = write(tmp_path / "a.wav", tone)
    content = path.read_bytes()
    note = b"LIST" + struct.pack("<I", 5) + b"notes\x00"
    path.write_bytes(content[:36] + note + content[36:] + note)
    assert len(read_audio(path).samples) == RATE


def test_header_without_samples(tmp_path):
    assert reason(write(tmp_path / "a.wav", np.zeros(0, np.float32))) == "no-samples"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_sample_that_is_not_finite(tmp_path, tone, bad):
    tone[500] = bad
    assert reason(write(tmp_path / "a.wav", tone, subtype="FLOAT")) == "not-finite"


def test_a_file_that_is_too_long_is_refused_but_not_a_short_part_of_it(tmp_path, tone):
    path = write(tmp_path / "a.wav", tone)
    assert reason(path, max_seconds=0.9) == "too-long"
    assert read_audio(path, 0.0, 0.5, max_seconds=0.9).seconds == 0.5


def checked(path, **limits):
    check_audio(path, read_audio(path), **{"min_seconds": 0.1, "silence_dbfs": -60.0} | limits)


def test_too_short(tmp_path, tone):
    path = write(tmp_path / "a.wav", tone[:1599])
    with pytest.raises(AudioFault, match=r"below 0.1 s") as fault:
        checked(path)
    assert fault.value.reason == "too-short"
    checked(write(path, tone[:1600]))


@pytest.mark.parametrize("samples", [np.zeros(RATE), np.full(RATE, 0.5), 5e-4 * np.sin(np.arange(RATE))])
def test_silence_is_refused_also_on_an_offset(tmp_path, samples):
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    with pytest.raises(AudioFault) as fault:
        checked(path)
    assert fault.value.reason == "silent"


def test_a_peak_above_the_threshold_is_not_silence(tmp_path):
    path = write(tmp_path / "a.wav", 2e-3 * np.sin(np.arange(RATE)), subtype="FLOAT")
    checked(path)
    with pytest.raises(AudioFault, match="silent"):
        checked(path, silence_dbfs=-50.0)


def test_a_fault_can_be_sent_between_processes():
    fault = copy.copy(AudioFault("a.wav", "silent", "nothing"))  # as pickling does
    assert (str(fault), fault.reason) == ("a.wav: silent: nothing", "silent")


def test_resampling_keeps_pitch_level_and_length():
    time = np.arange(48000) / 48000
    low = resample(np.sin(2 * np.pi * 440 * time).astype(np.float32), 48000, 16000)
    assert low.dtype == np.float32
    assert len(low) == 16000
    expected = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    np.testing.assert_allclose(low[500:-500], expected[500:-500], atol=1e-3)


def test_resampling_removes_frequencies_above_the_target_rate():
    time = np.arange(48000) / 48000
    low = resample(np.sin(2 * np.pi * 10000 * time).astype(np.float32), 48000, 16000)
    assert np.abs(low[500:-500]).max() < 1e-3


def test_resampling_to_the_same_rate_changes_nothing(tone):
    assert resample(tone, RATE, RATE) is tone


def test_real_stereo_recordings_of_ravdess_are_read(corpora):
    audio = read_audio(corpora / "ravdess/Actor_20/03-01-06-01-01-02-20.wav")
    assert (audio.rate, audio.channels) == (48000, 2)
    assert 2.9 < audio.seconds < 5.3


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
@pytest.mark.parametrize("seconds", [0.037, 1.0, 9.0])
def test_the_blocks_make_up_the_whole_file(tmp_path, tone, name, seconds):
    path = write(tmp_path / name, np.stack([tone, -tone / 2], axis=1))
    whole, blocks = read_audio(path), list(stream_audio(path, seconds))
    np.testing.assert_array_equal(np.concatenate([block.samples for block in blocks]), whole.samples)
    assert [block.start for block in blocks] == [0.0, *(block.end for block in blocks[:-1])]
    assert (blocks[-1].end, blocks[0].rate, blocks[0].channels) == (whole.seconds, RATE, 2)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_the_blocks_of_a_truncated_file_end_with_the_reason(tmp_path, tone, name):
    path = write(tmp_path / name, tone)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(AudioFault) as fault:
        list(stream_audio(path, 0.1))
    assert fault.value.reason == "truncated"


def test_blocks_of_a_missing_file_are_refused(tmp_path):
    with pytest.raises(AudioFault, match="missing"):
        next(stream_audio(tmp_path / "a.wav", 1.0))


@pytest.mark.parametrize("ending", [".wav", ".flac", ".mp3"])
def test_a_file_whose_name_is_not_utf_8_is_read(tmp_path, tone, ending):
    plain, odd = tmp_path / f"a{ending}", tmp_path / f"caf\udce9{ending}"
    write(plain, tone).rename(odd)
    assert len(read_audio(odd).samples) == RATE
    assert sum(len(block.samples) for block in stream_audio(odd, 0.3)) == RATE
