"""Systems whose weights and running statistics differ from those of a fresh network."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from made_up_systems import make_system
from speech_emotion.params import load_params
from speech_emotion.systems.catalogue import front_end_dims
from speech_emotion.systems.network import NetworkSystem

PARAMS = load_params(Path(__file__).parents[1] / "params.yaml")
NETWORKS = ("w1", "k2", "t1")
LABELS = ("anger", "neutral", "sadness")


def make_network(id: str, **changed: object) -> NetworkSystem:
    """A system on the features of params.yaml, without derivatives, which are not deployable."""
    features = {name: PARAMS.features[name].model_copy(update={"deltas": 0}) for name in PARAMS.needs[id].features}
    torch.manual_seed(0)
    dims = front_end_dims(features, 16000)
    system = make_system(id, PARAMS.preprocess.recipes["plain"], features, dims, 16000, LABELS, **changed)
    for module in system.network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    system.network.eval()
    return system


def feature_batch(system: NetworkSystem) -> dict[str, torch.Tensor]:
    """Noise with the shape of the features of three windows."""
    draws = torch.Generator().manual_seed(1)
    shape = (3, system.params.window_frames)
    return {name: torch.randn(*shape, dims, generator=draws) for name, dims in system.definition.dims.items()}


def noise_windows(system: NetworkSystem, count: int) -> list[np.ndarray]:
    """Noise in the shape of windows of speech, (window_samples,) each."""
    draws = np.random.default_rng(0)
    return [(0.1 * draws.standard_normal(system.window_samples)).astype(np.float32) for _ in range(count)]
