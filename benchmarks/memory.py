"""Gain of a worker that keeps the memory freed by a batch: CPU seconds of an epoch, compared with glibc's defaults.

python benchmarks/memory.py [--systems w1 k2 t1] [--repeats N]    features of noise, one worker with one thread
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from joblib.externals.loky import get_reusable_executor

from hours import epoch_seconds
from speech_emotion.features.extraction import compute
from speech_emotion.parallel import KEEP_MEMORY
from speech_emotion.params import Params, load_params
from speech_emotion.store.arrays import ArrayWriter

TOP = Path(__file__).parents[1]
UTTERANCES, SECONDS = 60, 4.5


def make_features(system: str, params: Params, folder: Path) -> list[Path]:
    """Writes features of noise below `folder`; returns the names of the utterances."""
    files, needs, random = [Path(f"{n:03d}") for n in range(UTTERANCES)], params.needs[system], np.random.default_rng(0)
    rate = params.preprocess.sample_rate
    waveforms = random.normal(scale=0.1, size=(UTTERANCES, round(SECONDS * rate))).astype(np.float32)
    for name in needs.features:
        with ArrayWriter(folder / name / needs.variant(params.features[name], rate)) as writer:
            for file, waveform in zip(files, waveforms, strict=True):
                writer.add(str(file), compute(name, waveform, params.features, rate, 0, {}))
    return files


def seconds(system: str, params: Params, files: list[Path], folder: Path, environment: Mapping[str, str]) -> float:
    """CPU seconds of an epoch in a new worker."""
    with get_reusable_executor(1, env=dict(environment), reuse=False) as executor:
        return executor.submit(one_thread, system, params, files, folder).result()


def one_thread(system: str, params: Params, files: list[Path], folder: Path) -> float:
    import torch

    torch.set_num_threads(1)
    return epoch_seconds(system, params, files, folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", default=["w1", "k2", "t1"])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    for name in KEEP_MEMORY:  # so that "own" means glibc's defaults
        os.environ.pop(name, None)
    params = load_params(TOP / "params.yaml")
    print(f"{UTTERANCES} utterances of {SECONDS} s; CPU seconds of an epoch, median of {options.repeats}")
    print(f"{'system':<8}{'own':>10}{'kept':>10}{'kept / own':>12}")
    for system in options.systems:
        with tempfile.TemporaryDirectory() as name:
            files = make_features(system, params, Path(name))
            taken: dict[str, list[float]] = {"own": [], "kept": []}
            for _ in range(options.repeats):
                for kind, environment in (("own", {}), ("kept", KEEP_MEMORY)):
                    taken[kind].append(seconds(system, params, files, Path(name), environment))
        own, kept = (statistics.median(taken[kind]) for kind in ("own", "kept"))
        print(f"{system:<8}{own:>10.2f}{kept:>10.2f}{kept / own:>12.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
