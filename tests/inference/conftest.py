"""Fixtures of the tests of inference."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from made_up_export import write_export


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., Path]:
    """Writes a made-up export to a new folder; takes its name and the arguments of write_export."""
    return lambda name="export", **changed: write_export(tmp_path / name, **changed)


@pytest.fixture
def waveform() -> np.ndarray:
    """Just over a second of noise, (n,) float32."""
    return (0.2 * np.random.default_rng(1).standard_normal(17003)).astype(np.float32)
