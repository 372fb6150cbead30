"""A stand-in for a GPU: torch's device `meta`, whose tensors have shapes and no values, and a guard of every operation.

No CUDA is needed to see that a training makes, moves and mixes its tensors as a GPU would want them.
"""

import contextlib

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from speech_emotion.learning import loop

STAND_IN = torch.device("meta")
# From numpy, to the device; from the device, to numpy
PASSING = {"lift_fresh", "to", "_to_copy", "copy_", "detach", "resolve_conj", "resolve_neg"}


class OneDevice(TorchDispatchMode):
    """Fails at an operation that reads or makes a tensor elsewhere.

    Single numbers, as Adam counts its steps, may lie on the CPU, and what comes from there, or goes there, is moved.

    Attributes:
        operations: names of those that were seen.
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
    """Networks are trained there, whatever device they are asked for; what is read of it is 0. Yields the guard."""
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
