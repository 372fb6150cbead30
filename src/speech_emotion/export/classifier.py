"""A trained network in the two forms that are exported: for one window, and for all windows of a waveform at once."""

import torch
from torch import Tensor, nn

from speech_emotion.export.spectra import Spectra
from speech_emotion.systems.network import NetworkSystem


class WindowClassifier(nn.Module):
    """Samples (1, N) of one window -> probabilities (1, classes); TensorRT wants its fixed shapes.

    Computes what `NetworkSystem.waveform_classifier` computes, with the front-ends' arithmetic shared (spectra.py).
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
    """Samples (1, N), and the first frames (W,) of windows within them -> probabilities (W, classes).

    Windows overlap: their frames are computed once here, and the network takes all windows in one batch.
    """

    def forward(self, samples: Tensor, starts: Tensor) -> Tensor:
        places = starts[:, None] + torch.arange(self.frames)  # (W, L)
        features = {name: feature[0][places] for name, feature in self.spectra(samples).items()}
        return torch.softmax(self.network(features), dim=1)
