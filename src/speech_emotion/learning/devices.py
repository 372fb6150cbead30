"""Where networks are trained: on the CPU, or by CUDA on a GPU."""

import contextlib
import os
from collections.abc import Iterator

import torch

from speech_emotion.errors import UserError
from speech_emotion.params import CPU, Device

CUDA = "cuda"
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"  # without a fixed one cuBLAS's sums are not the same twice
FIXED_WORKSPACE = ":4096:8"


def device_kind(setting: Device) -> str:
    """Where `train.device` says that networks are trained on this machine: "cpu" or "cuda".

    Raises:
        UserError: CUDA is asked for, and torch sees no device of it.
    """
    if setting == CPU or (setting == "auto" and not torch.cuda.is_available()):
        return CPU
    if not torch.cuda.is_available():
        reason = "torch is built without CUDA" if torch.version.cuda is None else "torch sees no CUDA device"
        raise UserError(
            f"train.device = {setting}: {reason}: set cpu, or auto to take a GPU only where there is one; or mend the "
            "driver (nvidia-smi shows what it sees) and install torch's CUDA build"
        )
    return CUDA


def training_device(setting: Device) -> torch.device:
    """The device on which this process trains; processes side by side are spread over the GPUs by their numbers.

    Raises:
        UserError: as device_kind.
    """
    if device_kind(setting) == CPU:
        return torch.device(CPU)
    return torch.device(CUDA, os.getpid() % torch.cuda.device_count())


@contextlib.contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Inside, a GPU gives the same results for the same seed, where torch has algorithms that do, in full float32.

    What has none is run all the same, with torch's warning. Nothing changes on the CPU, which does so by itself.
    """
    if device.type == CPU:
        yield
        return
    os.environ.setdefault(WORKSPACE, FIXED_WORKSPACE)  # read when the process first multiplies on the GPU
    operations = (torch.backends.cudnn.conv, torch.backends.cudnn.rnn, torch.backends.cuda.matmul)
    precisions = [operation.fp32_precision for operation in operations]
    enabled, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    try:
        torch.use_deterministic_algorithms(True, warn_only=True)
        for operation in operations:
            operation.fp32_precision = "ieee"  # cuDNN's own choice, TF32, keeps ten bits of mantissa
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        for operation, precision in zip(operations, precisions, strict=True):
            operation.fp32_precision = precision
