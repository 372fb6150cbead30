"""W1: what its network ignores, and what it does not."""

import pytest
import torch

from speech_emotion.systems.cl import CL

DIMS = {"spectrogram": 16, "mfcc": 5}


def _network(*keep_mean: str) -> CL:
    torch.manual_seed(0)
    return CL(
        {"cnn": "spectrogram", "lstm": "mfcc"}, keep_mean, DIMS, frames=32, classes=3, dropout=0.0, last=True
    ).eval()


@pytest.fixture
def window() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {name: torch.randn(2, 32, size) for name, size in DIMS.items()}


@pytest.mark.parametrize("name", DIMS)
def test_level_and_spectral_tilt_change_only_a_network_that_keeps_the_mean(window, name):
    tilted = {**window, name: window[name] + torch.linspace(-3, 3, DIMS[name])}
    torch.testing.assert_close(_network()(tilted), _network()(window), rtol=0, atol=1e-5)
    assert (_network(name)(tilted) - _network(name)(window)).abs().max() > 1e-4


@pytest.mark.parametrize("name", DIMS)
def test_the_order_of_frames_matters_in_each_branch(window, name):
    reversed_window = {**window, name: window[name].flip(1)}
    assert (_network()(reversed_window) - _network()(window)).abs().max() > 1e-4
