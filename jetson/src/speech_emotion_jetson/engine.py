"""A TensorRT engine that build_engine.sh built on the device.

Written after the documentation of TensorRT 8.5 (JetPack 5.1) and not run with it yet: the tests cover only the checks
before loading (a plan exists, it was built from this model, TensorRT is installed). GPU memory is managed through
CUDA's runtime library with ctypes, so nothing else is needed.
"""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from typing import Any

import numpy as np

from speech_emotion_jetson.bundle import Bundle, Variant
from speech_emotion_jetson.checksums import sha256_file
from speech_emotion_jetson.errors import UserError

BUILD = "sh build_engine.sh, in the bundle's folder on the device"
RUNTIME_LIBRARIES = ("libcudart.so.11.0", "libcudart.so.12", "libcudart.so.13", "libcudart.so")
HOST_TO_DEVICE, DEVICE_TO_HOST = 1, 2  # cudaMemcpyKind


def is_usable(variant: Variant) -> bool:
    """Whether a plan for this variant has been built and TensorRT is installed."""
    return variant.engine is not None and variant.engine.is_file() and _tensorrt() is not None


def check_plan(variant: Variant) -> Path:
    """The path of the plan, after checking that it was built from this model.

    Args:
        variant: of the bundle.

    Raises:
        UserError: there is no plan, or it was built from another model.
    """
    plan = variant.engine
    if plan is None:
        raise UserError(f"--variant = {variant.name}: is not for TensorRT: use --backend cpu, or another variant")
    if not plan.is_file():
        raise UserError(f"{plan}: is not there: run {BUILD}, or use --backend cpu")
    note = plan.with_suffix(".json")
    try:
        made_of = json.loads(note.read_text(encoding="utf-8"))
        onnx, own = made_of["onnx_sha256"], made_of["plan_sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{note}: does not say what the plan was built from: run {BUILD}, again") from None
    if onnx != sha256_file(variant.path) or own != sha256_file(plan):
        raise UserError(f"{plan}: was built from another {variant.path.name}, or is damaged: run {BUILD}, again")
    return plan


class Cuda:
    """The functions of CUDA's runtime library that an engine needs.

    Raises:
        UserError: the library is not installed, or a call fails.
    """

    def __init__(self) -> None:
        self._library = next((found for found in map(_library, RUNTIME_LIBRARIES) if found), None)
        if self._library is None:
            raise UserError("libcudart.so: is not there: install CUDA's runtime (part of JetPack), or --backend cpu")
        self._library.cudaGetErrorString.restype = ctypes.c_char_p

    def allocate(self, size: int) -> int:
        """Allocates `size` bytes on the device and returns their address."""
        pointer = ctypes.c_void_p()
        self._call("cudaMalloc", ctypes.byref(pointer), ctypes.c_size_t(size))
        return pointer.value

    def free(self, address: int) -> None:
        self._call("cudaFree", ctypes.c_void_p(address))

    def upload(self, address: int, values: np.ndarray) -> None:
        """Copies a contiguous array to an address on the device."""
        self._copy(address, values.ctypes.data, values.nbytes, HOST_TO_DEVICE)

    def download(self, address: int, values: np.ndarray) -> None:
        """Fills a contiguous array from an address on the device, after all earlier work has finished."""
        self._copy(values.ctypes.data, address, values.nbytes, DEVICE_TO_HOST)

    def _copy(self, target: int, source: int, size: int, kind: int) -> None:
        arguments = (ctypes.c_void_p(target), ctypes.c_void_p(source), ctypes.c_size_t(size), ctypes.c_int(kind))
        self._call("cudaMemcpy", *arguments)

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            said = self._library.cudaGetErrorString(ctypes.c_int(status)).decode("ascii", "replace")
            raise UserError(f"{name}: {said}: free the GPU's memory or restart the device, or use --backend cpu")


class Engine:
    """A plan on the GPU.

    Args:
        bundle: describes the model's inputs and outputs.
        variant: of the bundle.

    Attributes:
        name: for people.

    Raises:
        UserError: there is no plan, it belongs to another model or another TensorRT version, its shapes do not fit
            the bundle, or TensorRT is not installed.
    """

    def __init__(self, bundle: Bundle, variant: Variant):
        plan = check_plan(variant)
        tensorrt = _tensorrt()
        if tensorrt is None:
            raise UserError("tensorrt: cannot be loaded: install JetPack's python3-libnvinfer, or use --backend cpu")
        self._cuda = Cuda()
        self._runtime = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.ERROR))
        self._engine = self._runtime.deserialize_cuda_engine(plan.read_bytes())
        if self._engine is None:
            raise UserError(f"{plan}: is not for TensorRT {tensorrt.__version__} on this GPU: run {BUILD}, again")
        for name, size in ((bundle.input, bundle.window_samples), (bundle.output, len(bundle.labels))):
            shape, kind = self._end(name)
            if shape != (1, size) or kind != tensorrt.float32:
                raise UserError(f"{plan}: {name} = {kind} {shape}: must be float32 {(1, size)}: run {BUILD}, again")
        self._context = self._engine.create_execution_context()
        self._window = np.empty((1, bundle.window_samples), np.float32)
        self._said = np.empty((1, len(bundle.labels)), np.float32)
        self._addresses = [self._cuda.allocate(values.nbytes) for values in (self._window, self._said)]
        for name, address in zip((bundle.input, bundle.output), self._addresses):
            self._context.set_tensor_address(name, address)
        self.name = f"TensorRT {tensorrt.__version__}"

    def ask(self, window: np.ndarray) -> np.ndarray:
        """Probabilities (classes,) float64 of a window (window_samples,) float32."""
        self._window[0] = window
        self._cuda.upload(self._addresses[0], self._window)
        if not self._context.execute_async_v3(0):  # 0 is the default stream, for which the download waits
            raise UserError("TensorRT: a window could not be computed: restart the device, or use --backend cpu")
        self._cuda.download(self._addresses[1], self._said)
        return self._said[0].astype(np.float64)

    def close(self) -> None:
        """Frees the GPU's memory."""
        while self._addresses:
            self._cuda.free(self._addresses.pop())

    def _end(self, name: str) -> tuple[tuple[int, ...], Any]:
        try:
            return tuple(self._engine.get_tensor_shape(name)), self._engine.get_tensor_dtype(name)
        except (ValueError, RuntimeError):
            return (), None


def _library(name: str) -> Any:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


def _tensorrt() -> Any:
    try:
        import tensorrt
    except ImportError:
        return None
    return tensorrt
