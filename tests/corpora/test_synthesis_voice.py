"""The voice of the synthetic demo corpus: its source and its filter."""

import numpy as np
import pytest

from speech_emotion.corpora.synthesis_voice import (
    FRAME,
    FRAMES_PER_SECOND,
    SAMPLE_RATE,
    Tracks,
    band_noise,
    glottal_source,
    per_sample,
    resonances,
    smooth,
    speak,
)
from speech_emotion.randomness import generator

FORMANTS = (700.0, 1200.0, 2500.0, 3500.0, 4500.0)


def held(f0=120.0, seconds=1.0, formants=FORMANTS, **changes):
    """The tracks of a vowel held without any irregularity."""
    count = round(seconds * FRAMES_PER_SECOND)
    formants = np.broadcast_to(formants, (count, np.shape(formants)[-1]))
    values = {
        "f0": np.full(count, f0),
        "voicing": np.ones(count),
        "aspiration": np.zeros(count),
        "frication": {},
        "formants": formants,
        "bandwidths": np.full(formants.shape, 90.0),
        "open_quotient": np.full(count, 0.6),
        "tilt": np.zeros(count),
        "jitter": 0.0,
        "shimmer": 0.0,
        "creak": 0.0,
    }
    return Tracks(**(values | changes))


def strongest(samples, low, high):
    """The frequency in Hz with most power within a range."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    inside = (frequencies >= low) & (frequencies <= high)
    return frequencies[inside][np.argmax(power[inside])]


@pytest.mark.parametrize("f0", [90.0, 147.0, 320.0])
def test_pulses_come_at_f0(f0):
    derivative, flow = glottal_source(held(f0), generator(0, "test"))
    assert np.sum((flow[:-1] == 0) & (flow[1:] > 0)) == pytest.approx(f0, abs=1)
    assert strongest(derivative, 50, 1.5 * f0) == pytest.approx(f0, abs=1)


def test_flow_closes_for_the_rest_of_a_period():
    _, flow = glottal_source(held(open_quotient=np.full(200, 0.4)), generator(0, "test"))
    assert np.mean(flow == 0) == pytest.approx(0.6, abs=0.02)
    assert flow.min() == 0
    assert flow.max() == pytest.approx(1, abs=0.01)


def test_jitter_and_shimmer_make_periods_differ():
    even, _ = glottal_source(held(100.0), generator(0, "test"))
    uneven, _ = glottal_source(held(100.0, jitter=0.03, shimmer=1.0), generator(0, "test"))
    periods = (slice(0, 160), slice(8000, 8160))
    assert np.allclose(even[periods[0]], even[periods[1]], atol=0.1)
    assert not np.allclose(uneven[periods[0]], uneven[periods[1]], atol=0.1)


def test_noise_from_the_glottis_shows_the_formants():
    breath = speak(held(voicing=np.zeros(800), aspiration=np.ones(800), seconds=4.0), generator(0, "test"))
    spectrum = np.mean(np.abs(np.fft.rfft(breath[: len(breath) // 512 * 512].reshape(-1, 512))) ** 2, axis=0)
    frequencies = np.fft.rfftfreq(512, 1 / SAMPLE_RATE)
    for formant in FORMANTS:
        near = np.abs(frequencies - formant) < 250
        assert frequencies[near][np.argmax(spectrum[near])] == pytest.approx(formant, abs=70)


def test_tilt_attenuates_high_frequencies():
    def high_share(tilt):
        power = np.abs(np.fft.rfft(speak(held(tilt=np.full(200, tilt)), generator(0, "test")))) ** 2
        return power[3000:].sum() / power.sum()

    assert high_share(12.0) < 0.3 * high_share(0.0)


def test_moving_formants_follow_klatts_recursion():
    count = 40
    path = np.linspace(0, 1, count)[:, None]
    formants = np.array([300.0, 900.0, 7600.0]) * (1 - path) + np.array([800.0, 2300.0, 6500.0]) * path
    tracks = held(formants=formants, seconds=count / FRAMES_PER_SECOND)
    spoken = speak(tracks, generator(0, "test"))

    signal, _ = glottal_source(tracks, generator(0, "test"))
    for sections in np.repeat(resonances(formants, tracks.bandwidths), FRAME, axis=0).transpose(1, 0, 2):
        passed = np.zeros(len(signal) + 2)  # y[n] = A x[n] - a1 y[n-1] - a2 y[n-2], after two zeros
        for n, (gain, _, _, _, a1, a2) in enumerate(sections):
            passed[n + 2] = gain * signal[n] - a1 * passed[n + 1] - a2 * passed[n]
        signal = passed[2:]
    assert np.allclose(spoken, signal / np.sqrt(np.mean(signal**2)), atol=1e-9)


def test_resonators_pass_0_hz_and_peak_at_their_frequency():
    _, _, _, _, a1, a2 = section = resonances(np.array([[1000.0]]), np.array([[60.0]]))[0, 0]
    assert section[0] / (1 + a1 + a2) == pytest.approx(1)
    frequencies = np.arange(10, 8000, 10)
    z = np.exp(-2j * np.pi * frequencies / SAMPLE_RATE)
    assert frequencies[np.argmax(np.abs(section[0] / (1 + a1 * z + a2 * z * z)))] == pytest.approx(1000, abs=10)


def test_frication_is_in_its_band():
    noise = band_noise(3000.0, 800.0, generator(0, "test").standard_normal(16000))
    power = np.abs(np.fft.rfft(noise)) ** 2
    assert power[2200:3800].sum() > 0.6 * power.sum()


def test_smoothing_keeps_constants_and_ends():
    assert np.allclose(smooth(np.full(30, 3.0), 0.04), 3.0)
    step = smooth(np.repeat([0.0, 1.0], 50), 0.04)
    assert len(step) == 100
    assert (step[0], step[-1]) == (0.0, pytest.approx(1.0))
    assert np.all(np.diff(step) >= -1e-12)


def test_samples_between_frames_are_interpolated_linearly():
    values = per_sample(np.array([0.0, 1.0]))
    assert len(values) == 2 * FRAME
    assert values[FRAME] == pytest.approx(0.5)
