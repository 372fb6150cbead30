"""Functionals of contours for which the values are known."""

import numpy as np
import pytest
import scipy.stats

from speech_emotion.features.functionals import COURSE, functionals


def test_line_has_its_slope_and_no_deviation_from_it():
    line = 3.0 + 2.0 * np.arange(50) * 0.01
    found = functionals(np.stack([line, -line], axis=1), 0.01)
    np.testing.assert_allclose(found["slope"], [2.0, -2.0])
    np.testing.assert_allclose(found["off-slope"], 0.0, atol=1e-12)
    np.testing.assert_allclose(found["step.magnitude"], 2.0)
    np.testing.assert_allclose(found["step.std"], 0.0, atol=1e-9)


def test_distribution_equals_that_of_scipy():
    values = np.random.default_rng(0).gamma(2.0, size=(400, 3))
    found = functionals(values, 0.01)
    np.testing.assert_allclose(found["mean"], values.mean(axis=0))
    np.testing.assert_allclose(found["std"], values.std(axis=0))
    np.testing.assert_allclose(found["skewness"], scipy.stats.skew(values))
    np.testing.assert_allclose(found["kurtosis"], scipy.stats.kurtosis(values))
    np.testing.assert_allclose(found["p20"], np.quantile(values, 0.2, axis=0))
    np.testing.assert_allclose(found["range"], np.quantile(values, 0.99, axis=0) - np.quantile(values, 0.01, axis=0))


@pytest.mark.parametrize("frames", [40, 333])
def test_course_is_the_amplitude_of_half_cosines_whatever_the_length(frames):
    time = (np.arange(frames) + 0.5) / frames
    contour = 5.0 + 0.7 * np.cos(np.pi * 2 * time)
    found = functionals(contour[:, np.newaxis], 0.01)
    expected = [0.7 / np.sqrt(2) if n == 2 else 0.0 for n in range(1, COURSE + 1)]
    np.testing.assert_allclose([found[f"course{n}"][0] for n in range(1, COURSE + 1)], expected, atol=1e-12)


def test_flat_contour_has_no_shape():
    found = functionals(np.full((30, 2), -7.25), 0.01)
    np.testing.assert_array_equal(found["mean"], -7.25)
    for name in ("std", "range", "skewness", "kurtosis", "step.std", "step.kurtosis"):
        np.testing.assert_allclose(found[name], 0.0, atol=1e-12)


@pytest.mark.parametrize("frames", [0, 1, 2, 3, 5, 6])
def test_few_frames_give_finite_values_under_the_same_names(frames):
    values = np.random.default_rng(1).standard_normal((frames, 4))
    found = functionals(values, 0.01)
    assert list(found) == list(functionals(np.zeros((100, 4)), 0.01))
    for value in found.values():
        assert value.shape == (4,)
        assert np.isfinite(value).all()
