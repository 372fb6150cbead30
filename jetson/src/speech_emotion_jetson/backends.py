"""What computes the graph: onnxruntime, or a TensorRT engine that was built on the device."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

import numpy as np

from speech_emotion_jetson.bundle import Bundle, Variant
from speech_emotion_jetson.errors import UserError

BACKENDS = ("auto", "cpu", "cuda", "onnxruntime-tensorrt", "engine")
PROVIDERS = {  # backend -> those of onnxruntime, the first one that is there first
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "onnxruntime-tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
QUIET = 3  # onnxruntime's log: errors alone


class Backend(ABC):
    """A loaded model.

    Attributes:
        name: of what computes it, for people.
    """

    name: str

    @abstractmethod
    def ask(self, window: np.ndarray) -> np.ndarray:
        """Probabilities (classes,) float64 of a window (window samples,) float32. Threads may ask at the same time."""

    def close(self) -> None:  # noqa: B027 - most have nothing to give back
        """Gives memory of the accelerator back."""


class OnnxBackend(Backend):
    """onnxruntime 1.18 or later.

    Args:
        bundle: what the model must be.
        variant: the file.
        providers: in the order of preference; those that this onnxruntime lacks are left out.
        threads: that one window is computed with.

    Raises:
        UserError: onnxruntime is not installed, or the file is no model of this bundle.
    """

    def __init__(self, bundle: Bundle, variant: Variant, providers: tuple[str, ...], threads: int):
        try:
            import onnxruntime
        except ImportError as error:
            raise UserError(f"onnxruntime: cannot be loaded ({error}): pip install -r requirements.txt") from None
        there = onnxruntime.get_available_providers()
        chosen = [name for name in providers if name in there]
        if providers[0] not in there:
            raise UserError(
                f"{providers[0]}: is not part of this onnxruntime {onnxruntime.__version__}: "
                "install NVIDIA's wheel of onnxruntime-gpu for this JetPack, or use --backend cpu"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = QUIET
        try:
            self._session = onnxruntime.InferenceSession(str(variant.path), options, providers=chosen)
        except Exception as error:  # onnxruntime's own exceptions have no common class
            said = str(error).strip().splitlines()[0]
            raise UserError(f"{variant.path}: cannot be loaded ({said}): copy the whole bundle again") from None
        self._input, self._output = bundle.input, bundle.output
        ends = {end.name: (end.shape, end.type) for end in (*self._session.get_inputs(), *self._session.get_outputs())}
        for end, size in ((bundle.input, bundle.window_samples), (bundle.output, len(bundle.labels))):
            shape, kind = ends.get(end, (None, None))
            if shape != [1, size] or kind != "tensor(float)":
                raise UserError(
                    f"{variant.path}: {end} = {kind} {shape}: bundle.json wants tensor(float) [1, {size}]: "
                    "make the bundle again from one export"
                )
        self.name = f"onnxruntime {onnxruntime.__version__}, {self._session.get_providers()[0]}"

    def ask(self, window: np.ndarray) -> np.ndarray:
        inputs = {self._input: np.ascontiguousarray(window, dtype=np.float32)[np.newaxis]}
        return self._session.run([self._output], inputs)[0][0].astype(np.float64)


class EngineBackend(Backend):
    """TensorRT; see engine.py."""

    def __init__(self, bundle: Bundle, variant: Variant):
        from speech_emotion_jetson.engine import Engine

        self._engine = Engine(bundle, variant)
        self._one_at_a_time = threading.Lock()  # an execution context belongs to one thread
        self.name = self._engine.name

    def ask(self, window: np.ndarray) -> np.ndarray:
        with self._one_at_a_time:
            return self._engine.ask(window)

    def close(self) -> None:
        self._engine.close()


def load_backend(bundle: Bundle, variant: Variant, backend: str = "auto", threads: int = 1) -> Backend:
    """Loads a variant.

    Args:
        backend: one of BACKENDS; "auto" takes the engine where build_engine.sh has made one, else the CPU.
        threads: of onnxruntime on the CPU, 1 or more.

    Raises:
        UserError: the backend is not there, or the file does not fit the bundle.
    """
    if threads < 1:
        raise UserError(f"--threads = {threads}: must be 1 or more")
    if backend == "auto":
        from speech_emotion_jetson.engine import is_usable

        backend = "engine" if is_usable(variant) else "cpu"
    if backend == "engine":
        return EngineBackend(bundle, variant)
    if variant.engine_only:
        raise UserError(
            f"--variant = {variant.name}: is for TensorRT's engine alone: run ./build_engine.sh {variant.name}, then "
            "--backend engine; or take --variant fp32"
        )
    return OnnxBackend(bundle, variant, PROVIDERS[backend], threads)
