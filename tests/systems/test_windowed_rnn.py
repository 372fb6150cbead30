"""K1-K3: the last state of each direction, and the loss."""

import torch

from speech_emotion.systems.windowed_rnn import WindowRNN


def test_each_direction_gives_its_last_state():
    torch.manual_seed(0)
    network = WindowRNN("mel", 3, "bilstm", units=4, layers=1, classes=2, dropout=0.0, l2=0.0).eval()
    seen = []
    network.dense.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    window = torch.randn(2, 6, 3)
    network({"mel": window})
    _, (last, _) = network.recurrent(window)
    torch.testing.assert_close(seen[0], torch.cat([last[0], last[1]], dim=1))


def test_the_loss_has_an_l2_penalty_on_the_dense_layer():
    torch.manual_seed(0)
    network = WindowRNN("mel", 3, "rnn", units=4, layers=1, classes=2, dropout=0.0, l2=0.5).eval()
    window, targets = {"mel": torch.randn(2, 6, 3)}, torch.tensor([0, 1])
    plain = torch.nn.functional.cross_entropy(network(window), targets)
    torch.testing.assert_close(network.loss(window, targets=targets), plain + 0.5 * network.dense.weight.square().sum())
