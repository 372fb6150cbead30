"""Cost of watching a training: seconds of step train with and without the live view, on synthetic features.

python benchmarks/live.py [--repeats N] [--epochs N]    K2 trains in epochs, T2's units take a second or less
"""

import argparse
import contextlib
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import yaml

from speech_emotion.corpora.table import Utterance, write_utterances
from speech_emotion.params import PARAMS_FILE, Params
from speech_emotion.recorder import Recorder
from speech_emotion.sections import check
from speech_emotion.steps.driver import execute, load_step
from speech_emotion.store.arrays import ArrayWriter
from speech_emotion.tracking.journal import JournalRecorder
from speech_emotion.tracking.watching import watched

SPEAKERS = [f"{number:02d}" for number in range(8)]
EMOTIONS = ("anger", "happiness", "neutral", "sadness")
TAKES, FRAMES, STATISTICS = 4, 150, 600


def make_place(folder: Path, params_file: Path, epochs: int) -> Params:
    """Writes table, protocol and features below `folder`; returns the params for them."""
    raw = yaml.safe_load(params_file.read_text())
    raw |= {"corpus": "demo", "candidates": ["k2", "t2"], "workers": 2}
    raw["budgets"]["demo"] = {"protocol": "bench", "seeds": [0], "max_epochs": epochs}
    raw["track"] |= {"uri": f"sqlite:///{folder / 'mlflow.db'}", "live": True}
    protocol = {
        "title": "synthetic features",
        "corpora": ["demo"],
        "speaker_independent": True,
        "labels": {emotion: emotion for emotion in EMOTIONS},
        "folds": {"each": "speaker"},
        "inner": "next",
    }
    (folder / "protocols").mkdir()
    (folder / "protocols" / "bench.yaml").write_text(yaml.safe_dump(protocol))
    rows = [
        Utterance(
            id=f"demo/{speaker}-{emotion}-{take}",
            corpus="demo",
            path=f"{speaker}-{emotion}-{take}.wav",
            speaker=speaker,
            sex=None,
            emotion=emotion,
            intensity=None,
            text=None,
            session=None,
            start=0.0,
            end=1.5,
            duration=1.5,
            sample_rate=16000,
            channels=1,
            sha256="0" * 64,
            licence="synthetic",
        )
        for speaker in SPEAKERS
        for emotion in EMOTIONS
        for take in range(TAKES)
    ]
    write_utterances(folder / "artifacts/ingest/utterances.parquet", rows)
    random = np.random.default_rng(0)
    for name, shape in (("mspec-40-dd/plain-4240", (FRAMES, 120)), ("statistics/plain", (STATISTICS,))):
        with ArrayWriter(folder / "artifacts/features" / name) as writer:
            for row in rows:
                writer.add(row.id, random.normal(size=shape) + EMOTIONS.index(row.emotion))
    return check(Params, raw, str(params_file))


def seconds(params: Params, system: str, live: bool) -> tuple[float, float]:
    """Wall clock and CPU seconds of step train, with every unit trained and the end of the live view included.

    CPU seconds are meaningful on a busy machine too.
    """
    shutil.rmtree("artifacts/units", ignore_errors=True)
    recorder = JournalRecorder(Path("artifacts/journals"), params.track.sample_seconds, quiet=True)
    quiet = Recorder(quiet=True)
    view = watched(recorder, params.track) if live else contextlib.nullcontext()
    started, cpu = time.perf_counter(), cpu_seconds()
    with view:
        execute(load_step("train"), params, system, recorder=recorder if live else quiet, provenance=None)
    return time.perf_counter() - started, cpu_seconds() - cpu


def cpu_seconds() -> float:
    """CPU seconds of this process and its workers so far."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    params_file, before = PARAMS_FILE.resolve(), Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        params = make_place(Path(folder), params_file, options.epochs)
        print(f"{len(SPEAKERS)} units, {params.workers} workers, {os.cpu_count()} cores; median of {options.repeats}")
        print(f"{'system':<8}{'':<7}{'off s':>10}{'on s':>10}{'on / off':>10}")
        for system in params.candidates:
            execute(load_step("tune"), params, system, recorder=Recorder(quiet=True), provenance=None)
            seconds(params, system, live=False)  # starts the workers
            taken: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
            for _ in range(options.repeats):
                for live in (False, True):
                    taken[live].append(seconds(params, system, live))
            for kind, name in enumerate(("clock", "CPUs")):
                off, on = (statistics.median(pair[kind] for pair in taken[live]) for live in (False, True))
                print(f"{system:<8}{name:<7}{off:>10.2f}{on:>10.2f}{on / off:>10.2f}", flush=True)
        os.chdir(before)
    return 0


if __name__ == "__main__":
    sys.exit(main())
