"""Time per sentence from waveform to label: the device's runtime compared with PyTorch, and with librosa and PyTorch.

python benchmarks/edge.py [--exported artifacts/export] [--model artifacts/select/model] [--speech data/CORPUS]
                          [--sentences 120] [--cores 1 2] [--rounds 3] [--output FILE]

Each way runs in a separate process, on the given number of cores and with only the imports that it needs. Times are
wall clock times and CPU times, which other processes disturb less; the ways alternate, round by round. The ways are:
the runtime of jetson/ with each variant of the bundle (and once with the out-of-distribution warning); `pytorch`, the
trained network with its front-end, with all windows of a sentence in one batch; `librosa`, the same features computed
with librosa as in a simple implementation, and the same network.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

TOP = Path(__file__).parents[1]
SECONDS = 3.0  # length of the utterance for which the goals are stated
TIMES = 60  # measurements of it in each round
WARM = 5
WARNED = "int8-cpu+warning"
PAPER = {"desktop": 57.0, "Jetson Xavier NX": 48.0}  # ms per sentence, wang-cl-jetson, tables 4 and 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exported", type=Path, default=Path("artifacts/export"))
    parser.add_argument("--model", type=Path, default=Path("artifacts/select/model"))
    parser.add_argument("--speech", type=Path, help="folder of WAV files; default: data/CORPUS of params.yaml")
    parser.add_argument("--sentences", type=int, default=120)
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON file for all figures")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        _work(options)
        return 0
    from speech_emotion.errors import UserError
    from speech_emotion.export.device import make_device_bundle
    from speech_emotion.params import load_params

    options.speech = options.speech or TOP / "data" / load_params(TOP / "params.yaml").corpus
    try:
        if len(sentences(options)) < options.sentences:
            raise UserError(f"{options.speech}: has fewer than {options.sentences} WAV files: give another folder")
        with tempfile.TemporaryDirectory() as folder:
            bundle = make_device_bundle(options.exported, Path(folder) / "device")
            held = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))["variants"]
            names = [name for name, one in held.items() if not one["engine_only"]]
            figures = measure(options, bundle, names)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"\n{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end\n")
    print(report(figures))
    if options.output:
        options.output.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(options: argparse.Namespace, bundle: Path, variants: Sequence[str]) -> list[dict[str, Any]]:
    """One row for each way and number of cores."""
    ways = ["librosa", "pytorch", *variants, WARNED]
    found: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for turn in range(options.rounds):
        for cores in options.cores:
            for way in ways:
                print(f"round {turn + 1} of {options.rounds}, cores {cores}: {way}", file=sys.stderr, flush=True)
                found.setdefault((cores, way), []).append(_ask_process(options, bundle, way, cores))
    rows = []
    for (cores, way), rounds in found.items():
        pooled = {key: np.concatenate([one[key] for one in rounds]) for key in ("sentence", "clock", "processor")}
        rows.append(
            {
                "cores": cores,
                "way": way,
                "sentence": float(np.median([np.mean(one["sentence"]) for one in rounds])),
                "p50": float(np.median(pooled["clock"])),
                "p99": float(np.percentile(pooled["clock"], 99)),
                "processor_p50": float(np.median(pooled["processor"])),
                "processor_p99": float(np.percentile(pooled["processor"], 99)),
                "memory": float(np.median([one["memory"] for one in rounds])),
                "labels": rounds[0]["labels"],
            }
        )
    for row in rows:
        others = {one["way"]: one for one in rows if one["cores"] == row["cores"]}
        for way in ("pytorch", "librosa"):
            row[f"times_{way}"] = others[way]["processor_p50"] / row["processor_p50"]
        expected = others[variants[0]]["labels"]
        row["agreement"] = 100 * float(np.mean([a == b for a, b in zip(row["labels"], expected, strict=True)]))
    return rows


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table in Markdown."""
    from speech_emotion.reporting.rendering import table

    header = [
        "way", "cores", "sentence, ms", "p50, ms", "p99, ms", "CPU p50", "CPU p99", "x PyTorch", "x librosa",
        "process, MB", "same, %",
    ]  # fmt: skip
    cells = [
        [
            row["way"],
            str(row["cores"]),
            *(f"{row[key]:.1f}" for key in ("sentence", "p50", "p99", "processor_p50", "processor_p99")),
            *(f"{row[key]:.1f}" for key in ("times_pytorch", "times_librosa")),
            f"{row['memory'] / 1e6:.0f}",
            f"{row['agreement']:.1f}",
        ]
        for row in rows
    ]
    said = ", ".join(f"{value:.0f} ms on a {machine}" for machine, value in PAPER.items())
    return (
        f"{table(header, cells, numbers=range(1, len(header)))}\n\n"
        f"Sentence: mean; p50, p99: of {SECONDS:g} s; x: speed relative to PyTorch and librosa, by CPU time; same: "
        f"share of sentences with the label of FP32.\nThe paper (wang-cl-jetson): {said} per sentence."
    )


def processor() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def sentences(options: argparse.Namespace) -> list[Path]:
    """The files, spread evenly over the folder."""
    files = sorted(options.speech.rglob("*.wav"))
    return [files[place * len(files) // options.sentences] for place in range(min(len(files), options.sentences))]


def _ask_process(options: argparse.Namespace, bundle: Path, way: str, cores: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--way", way, "--exported", str(bundle), "--model", str(options.model)]
    command += ["--speech", str(options.speech), "--sentences", str(options.sentences), "--cores", str(cores)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(cores))
    finished = subprocess.run(command, env={**os.environ, **threads}, capture_output=True, text=True, check=False)
    if finished.returncode:
        from speech_emotion.errors import UserError

        raise UserError(f"{way}: {finished.stderr.strip().splitlines()[-1]}")
    return json.loads(finished.stdout)


def _work(options: argparse.Namespace) -> None:
    """Runs one way in this process and prints its measurements as JSON."""
    cores = options.cores[0]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    least = json.loads((options.exported / "bundle.json").read_text(encoding="utf-8"))["least_samples"]
    answer: Callable[[np.ndarray, int], str]
    if options.way == "pytorch":
        answer = eager(options.model, least, cores)
    elif options.way == "librosa":
        answer = simple(options.model, least, cores)
    else:
        answer = runtime(options.exported, options.way, cores)
    files = sentences(options)
    warm, labels, spent = files[:WARM], [], []
    for file in warm + files:
        samples, rate = _read(file)
        begun = perf_counter()
        labels.append(answer(samples, rate))
        spent.append(1000 * (perf_counter() - begun))
    samples, rate = _read(files[0])
    samples = np.resize(samples, round(SECONDS * rate))
    clock, used = [], []
    for _ in range(WARM + TIMES):
        before, begun = process_time(), perf_counter()
        answer(samples, rate)
        clock.append(1000 * (perf_counter() - begun))
        used.append(1000 * (process_time() - before))
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    memory = next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    found = {"sentence": spent[len(warm) :], "clock": clock[WARM:], "processor": used[WARM:]}
    print(json.dumps({**found, "memory": memory, "labels": labels[len(warm) :]}))


def _read(file: Path) -> tuple[np.ndarray, int]:
    from speech_emotion_jetson.reading import Source

    source = Source(file)
    return np.concatenate(list(source.blocks(10.0))), source.rate


def runtime(bundle: Path, way: str, threads: int) -> Callable[[np.ndarray, int], str]:
    """The device's package."""
    from speech_emotion_jetson.bundle import opened
    from speech_emotion_jetson.recogniser import Recogniser

    variant, _, more = way.partition("+")
    with opened(bundle) as made:
        recogniser = Recogniser.load(made, variant, "cpu", threads, detect_ood=more == "warning")
    return lambda samples, rate: recogniser.predict(samples, rate).emotion


def eager(model: Path, least: int, threads: int) -> Callable[[np.ndarray, int], str]:
    """The trained network in PyTorch."""
    import torch

    from speech_emotion.audio.reading import resample
    from speech_emotion.export.windows import waveform_windows
    from speech_emotion.systems.catalogue import load_system

    torch.set_num_threads(threads)
    system = load_system(model)
    classifier, definition = system.waveform_classifier(), system.definition

    def answer(samples: np.ndarray, rate: int) -> str:
        samples = resample(samples, rate, definition.sample_rate) if rate != definition.sample_rate else samples
        with torch.no_grad():
            said = classifier(torch.from_numpy(np.stack(waveform_windows(system, samples, least))))
        return definition.labels[int(said.mean(dim=0).argmax())]

    return answer


def simple(model: Path, least: int, threads: int) -> Callable[[np.ndarray, int], str]:
    """Features by one librosa call each, and the network in PyTorch."""
    import torch

    from speech_emotion.compiled import librosa
    from speech_emotion.learning.windows import window_starts
    from speech_emotion.systems.catalogue import load_system

    torch.set_num_threads(threads)
    system = load_system(model)
    definition, rate_wanted = system.definition, system.definition.sample_rate
    length, hop = system.params.window_frames, system.params.hop_frames

    def feature(one: Any, samples: np.ndarray) -> np.ndarray:
        framing = {"n_fft": one.n_fft or one.frame, "hop_length": one.hop, "win_length": one.frame}
        if one.kind == "energy":
            mean_square = librosa().feature.rms(y=samples, frame_length=one.frame, hop_length=one.hop) ** 2
            return np.log(mean_square + 1e-10).T
        emphasised = librosa().effects.preemphasis(samples, coef=one.preemphasis)
        if one.kind == "spectrogram":
            power = np.abs(librosa().stft(emphasised, window=one.window, **framing)) ** 2
            width = round(one.top(rate_wanted) * framing["n_fft"] / rate_wanted) // one.n_bands
            bands = power[: width * one.n_bands].reshape(one.n_bands, width, -1).mean(axis=1)
            return np.log(bands + 1e-10).T
        mel = librosa().feature.melspectrogram(
            y=emphasised, sr=rate_wanted, window=one.window, n_mels=one.n_mels, fmax=one.fmax, **framing
        )
        logs = np.log(mel + 1e-10)
        return (librosa().feature.mfcc(S=logs, n_mfcc=one.n_mfcc) if one.kind == "mfcc" else logs).T

    def answer(samples: np.ndarray, rate: int) -> str:
        if rate != rate_wanted:
            samples = librosa().resample(samples, orig_sr=rate, target_sr=rate_wanted)
        samples = np.resize(samples, max(len(samples), least))
        found = {name: feature(one, samples) for name, one in definition.features.items()}
        starts = window_starts(min(map(len, found.values())), length, hop)
        batch = {
            name: torch.from_numpy(np.stack([values[start : start + length] for start in starts]).astype(np.float32))
            for name, values in found.items()
        }
        with torch.no_grad():
            said = torch.softmax(system.network(batch), dim=1)
        return definition.labels[int(said.mean(dim=0).argmax())]

    return answer


if __name__ == "__main__":
    sys.exit(main())
