import numpy as np
import pytest
import torch

from speech_emotion.export.spectra import Spectra, _inner_points
from speech_emotion.features.frontend import FrontEnd
from speech_emotion.params import load_params

PARAMS = load_params()
RATE = 16000


def made(names):
    features = {name: PARAMS.features[name] for name in names}
    return features, {name: FrontEnd(feature, RATE) for name, feature in features.items()}


@pytest.mark.parametrize(
    "names",
    [
        ["mel-120", "mel-128-4k", "mfcc-20-64ms", "energy-64ms"],
        ["mel-128", "mfcc-13-w1"],
        ["spectrogram-128"],
        ["mspec-40"],
        ["mfcc-13", "mel-120", "energy"],
        ["mfcc-20"],
    ],
)
@pytest.mark.parametrize("samples", [1024, 5000, 16000])
def test_spectra_are_those_of_the_front_end(names, samples):
    features, front_ends = made(names)
    waveform = torch.from_numpy(0.1 * np.random.default_rng(samples).standard_normal((2, samples)).astype(np.float32))
    found = Spectra(features, front_ends)(waveform)
    assert list(found) == names
    for name, front_end in front_ends.items():
        np.testing.assert_allclose(found[name], front_end(waveform), atol=2e-3, err_msg=name)


def test_silence_is_at_the_floor():
    features, front_ends = made(["mel-120"])
    found = Spectra(features, front_ends)(torch.zeros(1, 2048))["mel-120"]
    np.testing.assert_array_equal(found, front_ends["mel-120"](torch.zeros(1, 2048)))


def test_features_of_the_same_frames_share_one_transform():
    features, front_ends = made(PARAMS.needs["t1"].features)
    (group,) = Spectra(features, front_ends).groups
    assert group.places["mel-120"] == group.places["mfcc-20-64ms"]
    assert group.bands.shape[1] == 248


@pytest.mark.parametrize(("points", "frame"), [(512, 400), (1024, 1024), (2048, 1024), (6, 6)])
def test_the_inner_transform_divides_the_points_into_an_even_outer_one(points, frame):
    inner = _inner_points(points, frame)
    assert points % inner == 0
    assert points // inner % 2 == 0
