"""Measures how long answers take on this machine, by repeating the prediction of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Sequence

import numpy as np

from speech_emotion_jetson.errors import UserError
from speech_emotion_jetson.recogniser import Recogniser

WARM_UP = 3  # first runs on each recording, which are not counted: caches fill and clocks rise
PERCENTILES = (50, 90, 99)


def measure(recogniser: Recogniser, paths: Sequence[Path], repeat: int) -> dict[str, Any]:
    """Measures the time of predictions, including reading the file.

    Args:
        recogniser: a loaded model.
        paths: of the recordings.
        repeat: counted predictions of each recording, 1 or more.

    Returns:
        "backend"; "answers", their number; "seconds", the mean length of a recording; "milliseconds", of "total" and
        "model", each with "p50", "p90" and "p99"; and "peak_megabytes" of this process.

    Raises:
        UserError: `repeat` is below 1, or a recording cannot be read.
    """
    if repeat < 1:
        raise UserError(f"--repeat = {repeat}: must be 1 or more")
    spent: dict[str, list[float]] = {"total": [], "model": []}
    seconds = []
    for path in paths:
        for turn in range(WARM_UP + repeat):
            said = recogniser.predict_file(path)
            if turn >= WARM_UP:
                for name, values in spent.items():
                    values.append(said.milliseconds[name])
        seconds.append(said.seconds)
    return {
        "backend": recogniser.backend.name,
        "answers": len(spent["total"]),
        "seconds": float(np.mean(seconds)),
        "milliseconds": {
            name: {f"p{share}": float(np.percentile(values, share)) for share in PERCENTILES}
            for name, values in spent.items()
        },
        "peak_megabytes": _peak(),
    }


def _peak() -> float:
    """Peak memory of this process in MB, as Linux counts it; getrusage would include its parent's."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    (kibibytes,) = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return kibibytes * 1024 / 1e6


def shown(found: dict[str, Any]) -> str:
    """The values of `measure`, with the variant's name and threads added, as text for a terminal."""
    made = f"{found['answers']} answers, recordings of {found['seconds']:.2f} s on average"
    lines = [f"{found['variant']} on {found['backend']}: {made}"]
    for name, values in found["milliseconds"].items():
        lines.append(f"{name:<6}" + "".join(f"  {share} {value:8.2f} ms" for share, value in values.items()))
    lines.append(f"memory  {found['peak_megabytes']:.0f} MB at most")
    return "\n".join(lines)
