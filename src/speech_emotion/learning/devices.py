"""Where networks are trained: on the CPU, or on a GPU with CUDA."""

import contextlib
import os
from collections.abc import Iterator

import torch

from speech_emotion.errors import UserError
from speech_emotion.params import CPU, Device

CUDA = "cuda"
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"  # unless it is fixed, cuBLAS's sums are not repeatable
FIXED_WORKSPACE = ":4096:8"


def device_kind(setting: Device) -> str:
    """The kind of device that networks are trained on: "cpu" or "cuda".

    Args:
        setting: value of `train.device`.

    Raises:
        UserError: the setting is cuda, and torch sees no CUDA device.
    """
    if setting == CPU or (setting == "auto" and not torch.cuda.is_available()):
        return CPU
    if not torch.cuda.is_available():
        reason = "torch is built without CUDA" if torch.version.cuda is None else "torch sees no CUDA device"
        raise UserError(
            f"train.device = {setting}: {reason}: set cpu, or auto to use a GPU only if there is one; or fix the "
            "driver (nvidia-smi shows the GPUs that it sees) and install torch's CUDA build"
        )
    return CUDA


def training_device(setting: Device) -> torch.device:
    """The device on which this process trains. Parallel processes are spread over the GPUs by process id.

    Args:
        setting: value of `train.device`.

    Raises:
        UserError: as in device_kind.
    """
    if device_kind(setting) == CPU:
        return torch.device(CPU)
    return torch.device(CUDA, os.getpid() % torch.cuda.device_count())


@contextlib.contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Makes a GPU give the same results for the same seed, in full float32.

    An operation for which torch has no deterministic algorithm still runs, with torch's warning. On the CPU, which is
    deterministic anyway, nothing changes.

    Args:
        device: the device on which the block trains.
    """
    if device.type == CPU:
        yield
        return
    os.environ.setdefault(WORKSPACE, FIXED_WORKSPACE)  # read at the process's first matrix product on the GPU
    operations = (torch.backends.cudnn.conv, torch.backends.cudnn.rnn, torch.backends.cuda.matmul)
    precisions = [operation.fp32_precision for operation in operations]
    enabled, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    try:
        torch.use_deterministic_algorithms(True, warn_only=True)
        for operation in operations:
            operation.fp32_precision = "ieee"  # cuDNN's default, TF32, has only ten bits of mantissa
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        for operation, precision in zip(operations, precisions, strict=True):
            operation.fp32_precision = precision
