"""Levels in dBFS."""

import numpy as np
import pytest

from speech_emotion.audio.levels import peak_dbfs, rms_dbfs, set_level

SINE = (0.3 * np.sin(2 * np.pi * 200 * np.arange(16000) / 16000)).astype(np.float32)


def test_full_scale_square_wave_is_zero_dbfs():
    assert rms_dbfs(np.array([1.0, -1.0])) == 0
    assert peak_dbfs(np.array([0.5, -1.0])) == 0


def test_silence_is_minus_infinity():
    assert rms_dbfs(np.zeros(5)) == peak_dbfs(np.zeros(5)) == -np.inf


@pytest.mark.parametrize(("level", "measure"), [("rms", rms_dbfs), ("peak", peak_dbfs)])
@pytest.mark.parametrize("dbfs", [-26.0, -3.0])
def test_level_is_reached(level, measure, dbfs):
    levelled = set_level(SINE, level, dbfs)
    assert measure(levelled) == pytest.approx(dbfs, abs=1e-4)
    assert levelled.dtype == np.float32


def test_none_changes_nothing():
    assert set_level(SINE, "none", -26.0) is SINE


def test_nothing_is_clipped():
    click = np.full(10000, 1e-3)
    click[5000] = 0.9
    levelled = set_level(click, "rms", -6.0)
    assert levelled.max() > 1
    np.testing.assert_allclose(levelled / levelled.max(), click / click.max())


@pytest.mark.parametrize("level", ["rms", "peak"])
def test_silence_stays_silence(level):
    assert not set_level(np.zeros(100), level, -26.0).any()
