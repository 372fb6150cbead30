"""A small classifier with every kind of layer that deployable systems use, exported once."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from made_up_experiment import fold_of, trained_on, write_experiment
from speech_emotion.corpora.splits import Fold
from speech_emotion.export.graph import Graph, export_graph
from speech_emotion.features.frontend import FrontEnd, sample_count
from speech_emotion.params import Feature
from speech_emotion.systems.network import NetworkSystem
from speech_emotion.training.fitting import Experiment

FEATURE = Feature(kind="mfcc", frame=128, hop=64, n_fft=128, window="hamming", preemphasis=0.97, n_mels=20, n_mfcc=13)
IMAGE = Feature(
    kind="spectrogram", frame=128, hop=64, n_fft=128, window="hamming", preemphasis=0.97, n_bands=32, log=True
)
FRAMES = 32
SAMPLES = sample_count(FRAMES, 128, 64)
CLASSES = 5


class SmallClassifier(nn.Module):
    """Spectrogram into convolutions, MFCC into an LSTM with attention; (1, samples) -> (1, classes)."""

    samples = SAMPLES
    classes = CLASSES

    def __init__(self, seed: int = 0):
        super().__init__()
        torch.manual_seed(seed)
        self.front = nn.ModuleList([FrontEnd(IMAGE, 16000), FrontEnd(FEATURE, 16000)])
        self.convolutions = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
        self.recurrent = nn.LSTM(13, 8, num_layers=2, batch_first=True, bidirectional=True)
        self.attention = nn.Linear(16, 1)
        self.dense = nn.Sequential(nn.Linear(4 * 16 * 16 + 16, 12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, CLASSES))
        self.eval()

    def forward(self, waveform: Tensor) -> Tensor:
        image, frames = (front(waveform) for front in self.front)
        low, high = image.amin((1, 2), keepdim=True), image.amax((1, 2), keepdim=True)
        image = (image - low) / (high - low).clamp(min=1e-6)
        seen = self.convolutions(image[:, None]).flatten(1)
        heard, _ = self.recurrent(frames)
        weights = torch.softmax(self.attention(heard), 1)
        return torch.softmax(4 * self.dense(torch.cat([seen, (weights * heard).sum(1)], 1)), -1)


@pytest.fixture(scope="session")
def make_classifier() -> type[SmallClassifier]:
    return SmallClassifier


@pytest.fixture(scope="session")
def classifier() -> SmallClassifier:
    return SmallClassifier()


@pytest.fixture(scope="session")
def graph(classifier) -> Graph:
    return export_graph(classifier, SAMPLES, 13, FrontEnd)


@pytest.fixture(scope="session")
def windows() -> list[np.ndarray]:
    """Decaying tones with noise, (SAMPLES,) float32 each, so that classes differ."""
    draws = np.random.default_rng(0)
    time = np.arange(SAMPLES) / 16000
    return [
        (0.3 * np.sin(2 * np.pi * f * time) * np.exp(-9 * time) + 0.02 * draws.standard_normal(SAMPLES)).astype(
            np.float32
        )
        for f in draws.uniform(80, 3000, 24)
    ]


@pytest.fixture(scope="session")
def experiment(tmp_path_factory) -> Experiment:
    """T1 and noise for speech of four speakers; waveforms beside the features."""
    return write_experiment(tmp_path_factory.mktemp("experiment"))


@pytest.fixture(scope="session")
def fold(experiment) -> Fold:
    return fold_of(experiment)


@pytest.fixture(scope="session")
def trained(experiment, fold) -> NetworkSystem:
    return trained_on(experiment, fold)
