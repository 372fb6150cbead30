"""A trained network in the two forms that are exported: for one window, and for all windows of a waveform."""

import torch
from torch import Tensor, nn

from speech_emotion.export.spectra import Spectra
from speech_emotion.systems.network import NetworkSystem


class WindowClassifier(nn.Module):
    """Samples (1, N) of one window -> probabilities (1, classes); its shapes are fixed, as TensorRT needs.

    It computes the same as `NetworkSystem.waveform_classifier`, but the front-ends share their transforms (spectra.py).

    Args:
        system: trained.
    """

    def __init__(self, system: NetworkSystem):
        super().__init__()
        features = system.definition.features
        self.spectra = Spectra(features, dict(system.waveform_classifier().front_ends.items()))
        self.network = system.network
        self.frames = system.params.window_frames
        self.eval()

    def forward(self, samples: Tensor) -> Tensor:
        features = {name: feature[:, : self.frames] for name, feature in self.spectra(samples).items()}
        return torch.softmax(self.network(features), dim=1)


class UtteranceClassifier(WindowClassifier):
    """Samples (1, N) and the first frame (W,) of each window -> probabilities (W, classes).

    Windows overlap; their frames are computed only once, and the network takes all windows as one batch.
    """

    def forward(self, samples: Tensor, starts: Tensor) -> Tensor:
        places = starts[:, None] + torch.arange(self.frames)  # (W, L)
        features = {name: feature[0][places] for name, feature in self.spectra(samples).items()}
        return torch.softmax(self.network(features), dim=1)
