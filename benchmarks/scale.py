"""Measures whether time is linear in the size of a corpus and memory constant: ingest, preprocess, features and join.

python benchmarks/scale.py [FOLDER] [--utterances 100] [--scales 1 4 16] [--shards 1 4] [--systems w1 k2 t1]

FOLDER contains WAV files (default data/demo). A corpus xN consists of its first files N times, with other speakers each
time: links and a table, no new audio. Every step runs in a separate process with one worker for each shard, --at-once
of them in parallel. CPU seconds and memory are the kernel's, so that other work on the machine has little influence.
The start of a process (imports) is measured on a part without utterances and subtracted in the columns "work".
"""

import argparse
import contextlib
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml

from speech_emotion.corpora.own import TABLE
from speech_emotion.corpora.table import read_utterances
from speech_emotion.params import load_params

INTERVAL = 0.02  # seconds between two measurements of a process
TOP = Path(__file__).parents[1]
SHARDED = ("preprocess", "features")
LEAST = 0.1  # CPU seconds: ratios to less than this are meaningless
JOIN = "import sys; from speech_emotion.store.parts import join; join(sys.argv[2:], sys.argv[1])"
OPEN = """
import sys
from pathlib import Path
from speech_emotion.store.arrays import ArrayStore
stores = [ArrayStore(folder) for folder in sorted(Path(sys.argv[1]).glob("*/*"))]
"""


@dataclass(frozen=True)
class Cost:
    """The cost of a process.

    Attributes:
        cpu: seconds, user and system.
        memory: peak of its own memory in bytes, without pages of mapped files, which the kernel can reclaim.
    """

    cpu: float
    memory: int


def measured(arguments: Sequence[str]) -> Cost:
    """Runs `python ...` until it ends.

    Raises:
        SystemExit: it failed; its output is shown.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([sys.executable, *arguments], stdout=output, stderr=output)
        peak = 0
        while True:
            peak = max(peak, own_memory(process.pid))
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(INTERVAL)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            sys.exit(f"error: {' '.join(arguments)}:\n{output.read().decode()}")
    return Cost(usage.ru_utime + usage.ru_stime, peak)


def own_memory(pid: int) -> int:
    """Bytes of a process that are not backed by a file; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def make_corpus(folder: Path, files: Sequence[Path], scale: int) -> None:
    """Writes links to every file `scale` times, and the table of an own corpus."""
    rows = []
    for turn in range(scale):
        (folder / f"{turn:03d}").mkdir(parents=True)
        for number, file in enumerate(files):
            path = f"{turn:03d}/{number:05d}{file.suffix}"
            try:
                os.link(file.resolve(), folder / path)
            except OSError:  # another file system
                shutil.copyfile(file, folder / path)
            rows.append((path, f"{turn:03d}-{number % 10}", "neutral"))
    with open(folder / TABLE, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "speaker", "emotion"), *rows])


def write_params(path: Path, systems: Sequence[str]) -> None:
    """Writes params.yaml with a corpus `scale`, these systems and one worker."""
    raw = yaml.safe_load((TOP / "params.yaml").read_text(encoding="utf-8"))
    raw |= {"corpus": "scale", "candidates": list(systems), "workers": 1}
    raw["budgets"]["scale"] = {"protocol": "own-speakers", "seeds": [0], "max_epochs": 1}
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    load_params(path)


def step(name: str, *ports: str, part: str = "1/1") -> Cost:
    """Cost of one step with the working folder's params.yaml."""
    return measured(["-m", "speech_emotion.steps", name, "--part", part, *ports])


def run_parts(corpus: Path, folder: Path, numbers: Sequence[int], count: int, at_once: int) -> dict[str, Cost]:
    """Cost of each step after ingest on some of `count` parts: the sum of seconds and the largest memory."""

    def preprocess(number: int) -> Cost:
        inputs = (f"--input=data={corpus}/data", f"--input=utterances={corpus}/ingest")
        return step("preprocess", *inputs, f"--output=waveforms={folder}/waveforms-{number}", part=f"{number}/{count}")

    def features(number: int) -> Cost:
        inputs = (f"--input=waveforms={folder}/waveforms-{number}", f"--input=copies={folder}/none")
        return step("features", *inputs, f"--output=features={folder}/features-{number}")

    (folder / "none").mkdir(parents=True)  # the output of augment if no system needs copies
    costs = {work.__name__: over_parts(work, numbers, at_once) for work in (preprocess, features)}
    parts = [f"{folder}/features-{number}" for number in numbers]
    costs["join"] = measured(["-c", JOIN, f"{folder}/features", *parts])
    costs["open"] = measured(["-c", OPEN, f"{folder}/features"])
    return costs


def over_parts(work: Callable[[int], Cost], numbers: Sequence[int], at_once: int) -> Cost:
    with ThreadPoolExecutor(at_once) as pool:
        found = list(pool.map(work, numbers))
    return Cost(sum(cost.cpu for cost in found), max(cost.memory for cost in found))


def ingested(folder: Path, files: Sequence[Path], scale: int, systems: Sequence[str]) -> Cost:
    """Writes params, corpus and table in `folder`; returns the cost of the table."""
    write_params(folder / "params.yaml", systems)
    make_corpus(folder / "data", files, scale)
    return step("ingest", f"--input=data={folder}/data", f"--output=utterances={folder}/ingest")


def starts(folder: Path, files: Sequence[Path], systems: Sequence[str]) -> dict[str, Cost]:
    """Cost of each step on a part without utterances; ingest has almost the same imports as preprocess."""
    ingested(folder, files, 1, systems)
    found = run_parts(folder, folder / "none", [1], len(files) + 1, 1)
    return {"ingest": found["preprocess"], **found}


def run_scale(folder: Path, files: Sequence[Path], scale: int, options: argparse.Namespace) -> tuple[dict, float]:
    """Cost by step and number of shards of a corpus written to `folder`, and its hours of speech."""
    costs = {("ingest", 1): ingested(folder, files, scale, options.systems)}
    for shards in options.shards:
        found = run_parts(folder, folder / str(shards), range(1, shards + 1), shards, options.at_once)
        costs |= {(name, shards): cost for name, cost in found.items()}
    return costs, read_utterances(folder / "ingest/utterances.parquet")["duration"].sum() / 3600


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=TOP / "data/demo")
    parser.add_argument("--utterances", type=int, default=100, help="files of a corpus x1")
    parser.add_argument("--scales", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--systems", nargs="+", default=["w1", "k2", "t1"])
    parser.add_argument("--at-once", type=int, default=2, help="shards in parallel")
    options = parser.parse_args()
    found = sorted(options.folder.resolve().rglob("*.wav"))
    files = found[:: max(1, len(found) // options.utterances)][: options.utterances]
    if not files:
        print(f"error: {options.folder}: has no WAV files: make data CORPUS=demo", file=sys.stderr)
        return 1
    print(f"x1 is {len(files)} files; features of {', '.join(options.systems)}; memory is that of the largest process")
    head = ("corpus", "hours", "step", "shards", "CPU s", "start, CPU s", "work, CPU s", "x1 =", "MiB", "x1 =")
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    first: dict[tuple[str, int], tuple[float, int]] = {}
    with tempfile.TemporaryDirectory(prefix="scale-") as name, contextlib.chdir(name):
        started = starts(Path(name), files, options.systems)
    for scale in options.scales:
        with tempfile.TemporaryDirectory(prefix="scale-") as name, contextlib.chdir(name):
            costs, hours = run_scale(Path(name), files, scale, options)
        for (name, shards), cost in costs.items():
            start = started[name].cpu * (shards if name in SHARDED else 1)
            work = cost.cpu - start
            base = first.setdefault((name, shards), (work, cost.memory))
            times = f"{work / base[0]:.1f}" if base[0] > LEAST else "-"
            print(
                f"| x{scale} | {hours:.3f} | {name} | {shards} | {cost.cpu:.1f} | {start:.1f} | {work:.1f} "
                f"| {times} | {cost.memory / 2**20:.0f} | {cost.memory / base[1]:.2f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
