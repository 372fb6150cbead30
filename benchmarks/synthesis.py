"""Seconds for making the synthetic demo corpus with one and with two workers, and their ratio.

Run with `python benchmarks/synthesis.py`. The times depend on the machine; the ratio is the gain of the second core.
"""

import tempfile
import time
from pathlib import Path

from speech_emotion.corpora.synthesis import synthesise
from speech_emotion.recorder import Recorder


def seconds(workers: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        synthesise(Path(folder) / "demo", workers, Recorder(quiet=True))
        return time.perf_counter() - start


def main() -> None:
    one, two = seconds(1), seconds(2)
    print(f"synthetic demo corpus: 1 worker {one:.1f} s, 2 workers {two:.1f} s, ratio {one / two:.2f}")


if __name__ == "__main__":
    main()
