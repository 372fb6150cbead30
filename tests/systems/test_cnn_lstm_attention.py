"""T1: what its network ignores, and what it does not."""

import torch

from speech_emotion.systems.cnn_lstm_attention import CnnLstmAttention

IMAGES = ["movement", "level"]
DIMS = {"movement": 16, "level": 24, "mfcc": 5}


def _network_and_window():
    torch.manual_seed(0)
    network = CnnLstmAttention(IMAGES, ["level"], DIMS, channels=4, units=8, classes=3, dropout=0.0).eval()
    return network, {name: torch.randn(2, 32, size) for name, size in DIMS.items()}


def _tilted(window, names):
    return {
        name: values + torch.linspace(-3, 3, values.shape[2]) if name in names else values
        for name, values in window.items()
    }


def test_level_and_spectral_tilt_matter_only_in_the_image_that_keeps_its_mean():
    network, window = _network_and_window()
    expected = network(window)
    torch.testing.assert_close(network(_tilted(window, ["movement", "mfcc"])), expected, rtol=0, atol=1e-5)
    assert (network(_tilted(window, ["level"])) - expected).abs().max() > 1e-4


def test_the_order_of_frames_matters():
    network, window = _network_and_window()
    reversed_window = {name: values.flip(1) for name, values in window.items()}
    assert (network(reversed_window) - network(window)).abs().max() > 1e-3


def test_attention_of_each_stream_sums_to_one_over_the_window():
    network, window = _network_and_window()
    streams = network.encode(window)
    assert len(streams) == len(IMAGES)
    for logits, attention in streams:
        assert logits.shape == (2, 3) and attention.shape == (2, 8)
        torch.testing.assert_close(attention.sum(dim=1), torch.ones(2))


def test_the_loss_is_the_mean_of_the_streams_losses():
    network, window = _network_and_window()
    losses = [torch.nn.functional.cross_entropy(logits, torch.tensor([0, 2])) for logits, _ in network.encode(window)]
    torch.testing.assert_close(network.loss(window, targets=torch.tensor([0, 2])), (losses[0] + losses[1]) / 2)
