"""Cost of an hour of speech for each system: storage and CPU seconds of features, and CPU seconds of a training epoch.

python benchmarks/hours.py [FOLDER] [--utterances 40] [--systems w1 k2 t1 t2]

FOLDER contains WAV files (default data/demo). One thread; the first utterance, which loads and compiles, is not
counted.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import threadpoolctl
import torch

from speech_emotion.audio.preparation import prepare
from speech_emotion.audio.reading import read_audio
from speech_emotion.features.extraction import compute
from speech_emotion.params import Params, load_params
from speech_emotion.store.arrays import ArrayWriter
from speech_emotion.systems.catalogue import hyperparameters_of, system_class, system_config
from speech_emotion.training.fitting import Experiment, fit_system

TOP = Path(__file__).parents[1]
LABELS = ("anger", "happiness", "neutral", "sadness")
EPOCHS = 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=TOP / "data/demo")
    parser.add_argument("--utterances", type=int, default=40)
    parser.add_argument("--systems", nargs="+", default=["w1", "k2", "t1", "t2"])
    options = parser.parse_args()
    found = sorted(options.folder.rglob("*.wav"))
    files = found[:: max(1, len(found) // options.utterances)][: options.utterances]
    if len(files) < len(LABELS):
        print(f"error: {options.folder}: has {len(files)} WAV files: make data CORPUS=demo", file=sys.stderr)
        return 1
    params = load_params(TOP / "params.yaml")
    torch.set_num_threads(1)
    print(f"{len(files)} files, one thread; for an hour of speech:")
    print("| system | waveforms, MiB | preprocessing, CPU s | features, MiB | features, CPU s | epoch, CPU s |")
    print("|---|---|---|---|---|---|")
    with threadpoolctl.threadpool_limits(1):
        for system in options.systems:
            with tempfile.TemporaryDirectory() as folder:
                print(row(system, params, files, Path(folder)), flush=True)
    return 0


def row(system: str, params: Params, files: list[Path], folder: Path) -> str:
    """One line of the table."""
    rate, needs = params.preprocess.sample_rate, params.needs[system]
    recipe = params.preprocess.recipes[needs.recipe]
    writers = {name: ArrayWriter(folder / name / needs.variant(params.features[name], rate)) for name in needs.features}
    samples = stored = 0
    preparing = computing = 0.0
    for number, file in enumerate([files[0], *files]):
        started = time.process_time()
        audio = read_audio(file)
        waveform = prepare(audio.samples, audio.rate, recipe, params.preprocess)
        prepared = time.process_time()
        known: dict = {}
        least = round(needs.min_seconds * rate)
        arrays = {name: compute(name, waveform, params.features, rate, least, known) for name in needs.features}
        computed = time.process_time()
        if number == 0:
            continue
        samples += len(waveform)
        stored += sum(array.nbytes for array in arrays.values())
        preparing += prepared - started
        computing += computed - prepared
        for name, array in arrays.items():
            writers[name].add(str(file), array)
    for writer in writers.values():
        writer.close()
    hours = samples / rate / 3600
    epoch = epoch_seconds(system, params, files, folder)
    cells = (
        f"{4 * samples / hours / 2**20:.0f}",
        f"{preparing / hours:.1f}",
        f"{stored / hours / 2**20:.0f}",
        f"{computing / hours:.0f}",
        "-" if epoch is None else f"{epoch / hours:.0f}",
    )
    return f"| {system} | {' | '.join(cells)} |"


def epoch_seconds(system: str, params: Params, files: list[Path], folder: Path) -> float | None:
    """CPU seconds of one epoch over the files, with made-up labels; None for a system without epochs."""
    config = system_config(params.systems, system)
    if not system_class(config).BY_EPOCH:
        return None
    needs, ids = params.needs[system].model_copy(update={"copies": 0}), [str(file) for file in files]
    experiment = Experiment(
        corpus="hours",
        protocol="none",
        config=config,
        needs=needs,
        recipe=params.preprocess.recipes[needs.recipe],
        definitions={name: params.features[name] for name in needs.features},
        features=folder,
        sample_rate=params.preprocess.sample_rate,
        labels=LABELS,
        targets={id: number % len(LABELS) for number, id in enumerate(ids)},
        max_epochs=EPOCHS,
        patience=EPOCHS,
    )
    stores = experiment.stores()
    model = experiment.create(hyperparameters_of(params.systems, system), stores)
    started = time.process_time()
    fit_system(model, experiment, stores, ids, ids[: len(LABELS)], seed=0)
    return (time.process_time() - started) / EPOCHS


if __name__ == "__main__":
    sys.exit(main())
