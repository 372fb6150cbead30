"""What models cost on a processor: time of one window, and the memory of a process that has nothing else in it.

python -m speech_emotion.export.footprint MODEL WINDOWS.npy      prints the bytes that loading and asking took at most
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
    """Time of one core that each model takes for each window (window samples,); the models take turns.

    It is the processor's time, not the clock's, so that other processes at work disturb it little.
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
    """Bytes that a process takes at most which loads a model and asks it about windows (window samples,).

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
    """Bytes that this process held at most since it began."""
    # ru_maxrss would count what the process that started this one held
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
