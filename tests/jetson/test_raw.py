"""Raw samples from a pipe."""

import io

import numpy as np
import pytest

from speech_emotion_jetson.errors import UserError
from speech_emotion_jetson.raw import raw_blocks

RATE = 16000


class Dripping(io.BytesIO):
    """A pipe that gives three bytes at a time."""

    def read1(self, size=-1):
        return super().read1(min(3, size))


def joined(content, channels=1, encoding="s16", stream=io.BytesIO):
    return np.concatenate(list(raw_blocks(stream(content), RATE, channels, encoding)))


@pytest.mark.parametrize("stream", [io.BytesIO, Dripping])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("encoding", "kind", "scale"), [("s16", "<i2", 2**15), ("s32", "<i4", 2**31), ("f32", "<f4", 1)]
)
def test_samples_are_taken_as_they_arrive(stream, channels, encoding, kind, scale):
    values = np.random.default_rng(0).uniform(-1, 1, (5000, channels))
    content = (values * scale).astype(kind).tobytes()
    np.testing.assert_allclose(joined(content, channels, encoding, stream), values.mean(axis=1), atol=1e-4)


def test_half_a_sample_at_the_end_is_dropped():
    assert len(joined(bytes(101))) == 50


def test_an_empty_stream_gives_nothing():
    assert list(raw_blocks(io.BytesIO(), RATE, 1, "s16")) == []


@pytest.mark.parametrize("value", [np.nan, np.inf, 30000.0])
def test_samples_of_another_encoding_are_refused_with_the_cure(value):
    with pytest.raises(UserError, match="if the samples are not f32, change --encoding"):
        joined(np.array([0.1, value], "<f4").tobytes(), encoding="f32")


@pytest.mark.parametrize(
    ("rate", "channels", "message"),
    [(4000, 1, "--rate = 4000"), (RATE, 0, "--channels = 0"), (RATE, 65, "--channels = 65")],
)
def test_options_out_of_range_are_refused(rate, channels, message):
    with pytest.raises(UserError, match=message):
        next(raw_blocks(io.BytesIO(bytes(10)), rate, channels, "s16"))
