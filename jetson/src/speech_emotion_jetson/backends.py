"""Backends that compute the graph: onnxruntime, or a TensorRT engine that was built on the device."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Sequence

import numpy as np

from speech_emotion_jetson.bundle import Bundle, Interface, Variant
from speech_emotion_jetson.errors import UserError

BACKENDS = ("auto", "cpu", "cuda", "onnxruntime-tensorrt", "engine")
PROVIDERS = {  # backend -> onnxruntime's execution providers, in order of preference
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "onnxruntime-tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
STARTS = "starts"  # second input of a model that takes many windows of one waveform: their first frames
AT_ONCE = 32  # windows that such a model takes at a time, which bounds memory
QUIET = 3  # onnxruntime's log level: errors only


class Backend(ABC):
    """A loaded model.

    Attributes:
        name: of the library and the device, for people.
    """

    name: str

    @abstractmethod
    def ask(self, window: np.ndarray) -> np.ndarray:
        """Probabilities (classes,) float64 of a window (window_samples,) float32; thread-safe."""

    def ask_all(self, windows: Sequence[tuple[int, np.ndarray]]) -> list[np.ndarray]:
        """Probabilities (classes,) float64 of each of several windows of one waveform.

        Args:
            windows: in order of time: index of the first sample in the waveform, and samples (window_samples,)
                float32.
        """
        return [self.ask(window) for _, window in windows]

    def close(self) -> None:  # noqa: B027 - most have nothing to free
        """Frees memory of the accelerator."""


class OnnxBackend(Backend):
    """onnxruntime 1.18 or later.

    Args:
        bundle: describes the model's inputs and outputs.
        path: of the ONNX file.
        providers: onnxruntime's execution providers in order of preference; only the first one must be available.
        threads: of the CPU.

    Raises:
        UserError: onnxruntime or its first provider is not installed, or the file is not a model of this bundle.
    """

    def __init__(self, bundle: Interface, path: Path, providers: tuple[str, ...], threads: int):
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
            self._session = onnxruntime.InferenceSession(str(path), options, providers=chosen)
        except Exception as error:  # onnxruntime's exceptions have no common base class
            said = str(error).strip().splitlines()[0]
            raise UserError(f"{path}: cannot be loaded ({said}): copy it again, or export again") from None
        self._input, self._output = bundle.input, bundle.output
        self._frame_hop, self._window = bundle.frame_hop_samples, bundle.window_samples
        self._many = STARTS in [end.name for end in self._session.get_inputs()]
        self._overlap = bundle.hop_samples <= bundle.window_samples
        ends = {end.name: (end.shape, end.type) for end in (*self._session.get_inputs(), *self._session.get_outputs())}
        for end, size in ((bundle.input, bundle.window_samples), (bundle.output, len(bundle.labels))):
            shape, kind = ends.get(end, (None, None))
            if self._many:
                free = 1 if end == bundle.input else 0
                fits = shape is not None and len(shape) == 2 and isinstance(shape[free], str)
                fits = fits and shape[1 - free] == (1 if end == bundle.input else size)
            else:
                fits = shape == [1, size]
            if not fits or kind != "tensor(float)":
                raise UserError(
                    f"{path}: {end} = {kind} {shape}: must be tensor(float) [1, {size}]: "
                    "make the bundle again from one export"
                )
        self.name = f"onnxruntime {onnxruntime.__version__}, {self._session.get_providers()[0]}"

    def ask(self, window: np.ndarray) -> np.ndarray:
        return self._run(window, np.zeros(1, np.int64))[0]

    def ask_all(self, windows: Sequence[tuple[int, np.ndarray]]) -> list[np.ndarray]:
        if not (self._many and self._overlap):
            return super().ask_all(windows)
        rows = []
        for at in range(0, len(windows), AT_ONCE):
            some = windows[at : at + AT_ONCE]
            # Windows overlap: of each but the first, take only the samples that the previous one does not hold.
            places = [start for start, _ in some]
            fresh = [window[last + self._window - start :] for last, (start, window) in zip(places, some[1:])]
            starts = (np.array(places, np.int64) - places[0]) // self._frame_hop
            rows.extend(self._run(np.concatenate([some[0][1], *fresh]), starts))
        return rows

    def _run(self, samples: np.ndarray, starts: np.ndarray) -> np.ndarray:
        inputs = {self._input: np.ascontiguousarray(samples, dtype=np.float32)[np.newaxis]}
        if self._many:
            inputs[STARTS] = starts
        return self._session.run([self._output], inputs)[0].astype(np.float64)


class EngineBackend(Backend):
    """TensorRT; see engine.py.

    Args:
        bundle: describes the model's inputs and outputs.
        variant: of the bundle, for which build_engine.sh has built an engine.

    Raises:
        UserError: as engine.Engine.
    """

    def __init__(self, bundle: Bundle, variant: Variant):
        from speech_emotion_jetson.engine import Engine

        self._engine = Engine(bundle, variant)
        self._one_at_a_time = threading.Lock()  # an execution context is not thread-safe
        self.name = self._engine.name

    def ask(self, window: np.ndarray) -> np.ndarray:
        with self._one_at_a_time:
            return self._engine.ask(window)

    def close(self) -> None:
        self._engine.close()


def load_backend(bundle: Bundle, variant: Variant, backend: str = "auto", threads: int = 1) -> Backend:
    """Loads a variant of a bundle.

    Args:
        bundle: as `bundle.opened` gives it.
        variant: of the bundle.
        backend: one of BACKENDS; "auto" takes the engine if build_engine.sh has built one, else the CPU.
        threads: of onnxruntime on the CPU, 1 or more.

    Raises:
        UserError: `threads` is below 1, the backend is not installed, or the file does not fit the bundle.
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
            f"--variant = {variant.name}: works only as a TensorRT engine: run ./build_engine.sh {variant.name}, then "
            "--backend engine; or use --variant fp32"
        )
    return OnnxBackend(bundle, variant.path, PROVIDERS[backend], threads)
