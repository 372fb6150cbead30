"""The front-end compared with librosa and with explicit formulas."""

import numpy as np
import pytest
import scipy.signal
import torch

from speech_emotion.compiled import librosa
from speech_emotion.errors import UserError
from speech_emotion.features.extraction import compute
from speech_emotion.features.frontend import LOG_FLOOR, FrontEnd, append_deltas, deltas, frame_count, sample_count
from speech_emotion.params import Feature

RATE = 16000
SPECTRUM = {"frame": 400, "hop": 160, "n_fft": 512, "window": "hann", "preemphasis": 0.0}
DEFINITIONS = {
    "spectrogram": Feature(kind="spectrogram", **SPECTRUM, n_bands=256, log=True),
    "spectrogram-128": Feature(kind="spectrogram", **SPECTRUM, n_bands=128, log=True),
    "spectrogram-4k": Feature(kind="spectrogram", **SPECTRUM, n_bands=128, log=True, fmax=4000.0),
    "linear": Feature(kind="spectrogram", **SPECTRUM, n_bands=256, log=False),
    "mspec": Feature(kind="mspec", **SPECTRUM, n_mels=40),
    "mspec-4k": Feature(kind="mspec", **SPECTRUM, n_mels=40, fmax=4000.0),
    "mfcc": Feature(kind="mfcc", **SPECTRUM, n_mels=40, n_mfcc=13),
    "energy": Feature(kind="energy", frame=400, hop=160, window="boxcar"),
}
ABSOLUTE = 1e-3


def librosa_power(samples: np.ndarray) -> np.ndarray:
    """(bins, frames) of the same frames: librosa centres a window that is shorter than n_fft."""
    side = (512 - 400) // 2
    window = scipy.signal.get_window("hann", 400, fftbins=False)
    padded = np.pad(samples.astype(np.float64), side)
    spectrum = librosa().stft(padded, n_fft=512, hop_length=160, win_length=400, window=window, center=False)
    return np.abs(spectrum) ** 2


def librosa_feature(name: str, samples: np.ndarray) -> np.ndarray:
    if name == "energy":
        rms = librosa().feature.rms(y=samples.astype(np.float64), frame_length=400, hop_length=160, center=False)
        return np.log(np.maximum(rms.T**2, LOG_FLOOR))
    power = librosa_power(samples)
    if name == "linear":
        return power[:256].T
    if name == "spectrogram":
        return np.log(np.maximum(power[:256].T, LOG_FLOOR))
    if name == "spectrogram-128":
        return np.log(np.maximum(power[:256].T.reshape(-1, 128, 2).mean(axis=2), LOG_FLOOR))
    if name == "spectrogram-4k":
        return np.log(np.maximum(power[:128].T, LOG_FLOOR))
    mel = librosa().feature.melspectrogram(S=power, sr=RATE, n_mels=40, fmax=4000 if name == "mspec-4k" else None)
    logarithm = np.log(np.maximum(mel, LOG_FLOOR))
    if name.startswith("mspec"):
        return logarithm.T
    return librosa().feature.mfcc(S=logarithm, n_mfcc=13).T


def assert_agrees(name: str, samples: np.ndarray) -> None:
    ours, theirs = compute(name, samples, DEFINITIONS, RATE), librosa_feature(name, samples)
    assert ours.shape == theirs.shape
    assert ours.std() > 1e-6  # silence would agree too
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=ABSOLUTE)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_agrees_with_librosa_on_a_synthetic_signal(name, synthetic):
    assert_agrees(name, synthetic)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_agrees_with_librosa_on_real_speech(name, utterances):
    for samples in utterances:
        assert_agrees(name, samples)


def test_energy_is_the_square_of_rms_to_the_tolerance(synthetic):
    ours = np.exp(compute("energy", synthetic, DEFINITIONS, RATE)[:, 0] / 2)
    rms = librosa().feature.rms(y=synthetic, frame_length=400, hop_length=160, center=False)[0]
    np.testing.assert_allclose(ours, np.maximum(rms, LOG_FLOOR**0.5), rtol=0, atol=ABSOLUTE)


def test_preemphasis_and_hamming_act_within_the_frame(synthetic):
    feature = Feature(
        kind="spectrogram", frame=512, hop=256, n_fft=512, window="hamming", preemphasis=0.97, n_bands=128, log=True
    )
    ours = compute("it", synthetic, {"it": feature}, RATE)
    n = np.arange(512)
    window = 0.54 - 0.46 * np.cos(2 * np.pi * n / 511)
    for t in (0, 11, len(ours) - 1):
        frame = synthetic[t * 256 : t * 256 + 512].astype(np.float64)
        emphasised = np.append((1 - 0.97) * frame[0], frame[1:] - 0.97 * frame[:-1])
        power = np.abs(np.fft.rfft(window * emphasised)) ** 2
        bands = power[:256].reshape(128, 2).mean(axis=1)
        np.testing.assert_allclose(ours[t], np.log(np.maximum(bands, LOG_FLOOR)), rtol=0, atol=1e-5)


def test_float32_module_stays_near_float64(synthetic):
    feature = DEFINITIONS["mspec"]
    samples = torch.from_numpy(synthetic)[None]
    single, double = FrontEnd(feature, RATE)(samples), FrontEnd(feature, RATE, torch.float64)(samples.double())
    assert single.dtype == torch.float32
    assert double.dtype == torch.float64
    loud = double > np.log(1e-6)
    np.testing.assert_allclose(single[loud], double[loud], rtol=0, atol=2e-2)


def test_frames_of_a_window_are_a_slice_of_the_utterance(synthetic):
    whole = compute("mfcc", synthetic, DEFINITIONS, RATE)
    window = synthetic[20 * 160 : 20 * 160 + sample_count(25, 400, 160)]
    np.testing.assert_allclose(compute("mfcc", window, DEFINITIONS, RATE), whole[20:45], rtol=0, atol=1e-5)


def test_sample_count_is_the_smallest_for_a_number_of_frames():
    for frames in (1, 2, 25, 128):
        samples = sample_count(frames, 400, 160)
        assert frame_count(samples, 400, 160) == frames
        assert frame_count(samples - 1, 400, 160) == frames - 1


def test_a_kind_that_the_front_end_does_not_have_is_refused():
    with pytest.raises(UserError, match="feature kind = zcr"):
        FrontEnd(Feature(kind="zcr", frame=400, hop=160), RATE)


def naive_deltas(values: np.ndarray, reach: int) -> np.ndarray:
    frames = len(values)
    found = np.zeros_like(values)
    for t in range(frames):
        for n in range(1, reach + 1):
            found[t] += n * (values[min(t + n, frames - 1)] - values[max(t - n, 0)])
    return found / (2 * sum(n * n for n in range(1, reach + 1)))


@pytest.mark.parametrize("reach", [1, 2, 4])
@pytest.mark.parametrize("frames", [1, 2, 3, 50])
def test_deltas_equal_the_formula_in_a_loop(reach, frames):
    values = np.random.default_rng(3).standard_normal((frames, 5))
    np.testing.assert_allclose(deltas(torch.from_numpy(values), reach), naive_deltas(values, reach), atol=1e-12)


def test_second_derivative_is_computed_from_the_first_with_reach_two():
    values = np.random.default_rng(4).standard_normal((30, 3))
    both = append_deltas(torch.from_numpy(values), 2).numpy()
    first = naive_deltas(values, 1)
    np.testing.assert_allclose(both, np.concatenate([values, first, naive_deltas(first, 2)], axis=1), atol=1e-12)


def test_deltas_are_not_those_of_librosa():
    values = np.random.default_rng(5).standard_normal((30, 3))
    ours = deltas(torch.from_numpy(values), 1).numpy()
    theirs = librosa().feature.delta(values, width=3, axis=0)
    np.testing.assert_allclose(ours[1:-1], theirs[1:-1], atol=1e-12)  # inside, width 3 is this formula
    assert np.abs(ours[[0, -1]] - theirs[[0, -1]]).max() > 0.1  # librosa extends the line at the edges
    second = append_deltas(torch.from_numpy(values), 2).numpy()[:, 6:]
    assert np.abs(second - librosa().feature.delta(values, width=3, order=2, axis=0)).max() > 0.1
