"""A stand-in for a GPU: torch's device `meta`, whose tensors have shapes but no values, and a check of every operation.

With it, tests without CUDA see whether a training creates and moves all its tensors as a GPU needs them.
"""

import contextlib

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from speech_emotion.learning import loop

STAND_IN = torch.device("meta")
# Operations that move tensors from numpy to the device, or from the device to numpy
PASSING = {"lift_fresh", "to", "_to_copy", "copy_", "detach", "resolve_conj", "resolve_neg"}


class OneDevice(TorchDispatchMode):
    """Fails if an operation reads or creates a tensor on another device.

    Scalars, such as Adam's step counter, may be on the CPU, and operations that move tensors are allowed.

    Attributes:
        operations: names of all operations so far.
    """

    def __init__(self):
        super().__init__()
        self.operations = set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        name = operation.overloadpacket.__name__
        self.operations.add(name)
        if name not in PASSING:
            for tensor in tree_leaves((args, kwargs, result)):
                if isinstance(tensor, torch.Tensor) and tensor.dim() > 0:
                    assert tensor.device == STAND_IN, f"{operation}: a tensor {tuple(tensor.shape)} on {tensor.device}"
        return result


@contextlib.contextmanager
def training_on_stand_in(monkeypatch):
    """Trains networks on the stand-in, whatever device is set; values read from it are 0. Yields the guard."""
    guard = OneDevice()

    @contextlib.contextmanager
    def guarded(device):
        assert device == STAND_IN
        with guard:
            yield

    def read(original, empty):
        return lambda self, *rest: empty(self) if self.is_meta else original(self, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "training_device", lambda setting: STAND_IN)
        patch.setattr(loop, "repeatable", guarded)
        patch.setattr(torch.Tensor, "cpu", read(torch.Tensor.cpu, lambda self: torch.from_numpy(_zeros(self))))
        patch.setattr(torch.Tensor, "tolist", read(torch.Tensor.tolist, lambda self: _zeros(self).tolist()))
        yield guard


def _zeros(tensor):
    return np.zeros(tensor.shape, str(tensor.dtype).removeprefix("torch."))
