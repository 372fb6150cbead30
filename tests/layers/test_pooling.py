"""Pooling and normalisation do not depend on padding."""

import pytest
import torch

from speech_emotion.layers.normalisation import ChannelNorm
from speech_emotion.layers.pooling import AttentionPooling, length_mask


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_a_mask_is_true_up_to_each_length():
    assert length_mask(torch.tensor([2, 0, 3]), 3).tolist() == [[True, True, False], [False] * 3, [True] * 3]


def test_attention_of_an_utterance_does_not_depend_on_its_padding():
    pooling, outputs = AttentionPooling(6, 4), torch.randn(2, 5, 6)
    vectors, attention = pooling(outputs, length_mask(torch.tensor([5, 3]), 5))
    unpadded, unpadded_attention = pooling(outputs[1:, :3])
    torch.testing.assert_close(vectors[1:], unpadded)
    torch.testing.assert_close(attention[1:, :3], unpadded_attention)
    assert attention[1, 3:].tolist() == [0, 0]
    torch.testing.assert_close(attention.sum(dim=1), torch.ones(2))


def test_channel_norm_treats_each_position_separately():
    norm, image = ChannelNorm(4), torch.randn(1, 4, 5, 3)
    whole = norm(image)
    torch.testing.assert_close(norm(image[:, :, :2]), whole[:, :, :2])
    torch.testing.assert_close(whole.mean(dim=1), torch.zeros(1, 5, 3), atol=1e-5, rtol=0)
