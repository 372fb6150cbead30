"""Measures models on a CPU: time per window, and peak memory of a process that does nothing else.

python -m speech_emotion.export.footprint MODEL WINDOWS.npy      prints the peak memory of loading and running, in bytes
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import thread_time

import numpy as np

from speech_emotion.errors import UserError

WARM = 10  # first runs, which are slower and do not count


def window_milliseconds(models: Mapping[str, bytes], windows: Sequence[np.ndarray]) -> dict[str, list[float]]:
    """Time of each model for each window, on one core; the models take turns.

    This is CPU time, not elapsed time, so that other running processes have little effect.

    Args:
        models: name -> bytes of an ONNX file.
        windows: (window_samples,) each.

    Returns:
        name -> milliseconds for each window.
    """
    from speech_emotion.export.graph import session

    found: dict[str, list[float]] = {name: [] for name in models}
    with ExitStack() as stack:
        running = {name: stack.enter_context(session(model)) for name, model in models.items()}
        for turn in range(-min(WARM, len(windows)), len(windows)):
            for name, one in running.items():
                inputs = _inputs(one, windows[turn])
                begun = thread_time()
                one.run(None, inputs)
                if turn >= 0:
                    found[name].append(round(1000 * (thread_time() - begun), 4))
    return found


def process_memory(model: bytes, windows: Sequence[np.ndarray]) -> int:
    """Peak memory, in bytes, of a process that loads a model and runs it.

    Args:
        model: bytes of an ONNX file.
        windows: (window_samples,) each.

    Raises:
        UserError: the process fails.
    """
    with TemporaryDirectory() as folder:
        path, speech = Path(folder) / "model.onnx", Path(folder) / "windows.npy"
        path.write_bytes(model)
        np.save(speech, np.asarray(windows, np.float32), allow_pickle=False)
        command = [sys.executable, "-m", "speech_emotion.export.footprint", str(path), str(speech)]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        said = finished.stderr.strip().splitlines() or [f"ended with {finished.returncode}"]
        raise UserError(f"model cannot be measured: {said[-1]}")
    return int(finished.stdout)


def peak_memory() -> int:
    """Peak memory of this process so far, in bytes."""
    # ru_maxrss would include the memory of the parent process
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _inputs(session: object, window: np.ndarray) -> dict[str, np.ndarray]:
    name, *more = [end.name for end in session.get_inputs()]
    inputs = {name: np.array(window, np.float32)[np.newaxis]}
    return inputs | {one: np.zeros(1, np.int64) for one in more}  # starts of windows: the first frame


def _main(model: str, speech: str) -> None:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    for window in np.load(speech, mmap_mode="r", allow_pickle=False):
        session.run(None, _inputs(session, window))
    print(peak_memory())


if __name__ == "__main__":
    _main(*sys.argv[1:])
