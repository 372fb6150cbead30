"""How long each feature takes: seconds a second of speech, and against librosa's call where it has one.

python benchmarks/features.py [FOLDER]    FOLDER holds WAV files; without it speech-like noise is made
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import threadpoolctl
import torch

from speech_emotion.audio.augmentation import augment
from speech_emotion.audio.preparation import prepare
from speech_emotion.audio.reading import read_audio
from speech_emotion.compiled import librosa
from speech_emotion.features.extraction import compute
from speech_emotion.params import Feature, Params, load_params

FILES = 20


def waveforms(folder: Path | None, params: Params) -> list[np.ndarray]:
    """Up to FILES waveforms at preprocess.sample_rate, evenly picked from the folder, or made."""
    rate = params.preprocess.sample_rate
    if folder is None:
        random = np.random.default_rng(0)
        time_axis = np.arange(3 * rate) / rate
        envelope = 0.1 * np.sin(2 * np.pi * 2 * time_axis) ** 2
        return [(envelope * random.standard_normal(len(time_axis))).astype(np.float32) for _ in range(FILES)]
    paths = sorted(folder.rglob("*.wav"))
    recipe = next(iter(params.preprocess.recipes.values()))
    chosen = paths[:: max(1, len(paths) // FILES)][:FILES]
    audios = [read_audio(path) for path in chosen]
    return [prepare(audio.samples, audio.rate, recipe, params.preprocess) for audio in audios]


def librosa_call(feature: Feature, rate: int) -> Callable[[np.ndarray], object] | None:
    """librosa's nearest call with the same frames; None where it has none."""
    frames = {"hop_length": feature.hop, "center": False}
    spectrum = {"n_fft": feature.n_fft, "win_length": feature.frame, "window": feature.window, **frames}
    if feature.kind == "spectrogram":
        return lambda samples: np.abs(librosa().stft(samples, **spectrum)) ** 2
    if feature.kind == "mspec":
        return lambda samples: librosa().feature.melspectrogram(y=samples, sr=rate, n_mels=feature.n_mels, **spectrum)
    if feature.kind == "mfcc":
        return lambda samples: librosa().feature.mfcc(
            y=samples, sr=rate, n_mels=feature.n_mels, n_mfcc=feature.n_mfcc, **spectrum
        )
    if feature.kind == "energy":
        return lambda samples: librosa().feature.rms(y=samples, frame_length=feature.frame, **frames)
    if feature.kind == "zcr":
        return lambda samples: librosa().feature.zero_crossing_rate(samples, frame_length=feature.frame, **frames)
    if feature.kind == "chroma":
        return lambda samples: librosa().feature.chroma_stft(y=samples, sr=rate, tuning=0.0, **spectrum)
    if feature.kind in ("f0", "voicing"):
        return lambda samples: librosa().pyin(
            samples, sr=rate, fmin=feature.fmin, fmax=feature.fmax, frame_length=feature.frame, **frames
        )
    return None


def ratio(work: Callable[[np.ndarray], object], samples: list[np.ndarray], rate: int) -> float:
    """Seconds of one thread a second of speech."""
    work(samples[0])  # compiles and fills caches
    started = time.perf_counter()
    for one in samples:
        work(one)
    return (time.perf_counter() - started) / (sum(map(len, samples)) / rate)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    folder = parser.parse_args().folder
    params = load_params()
    rate = params.preprocess.sample_rate
    torch.set_num_threads(1)
    with threadpoolctl.threadpool_limits(1):
        samples = waveforms(folder, params)
        if not samples:
            print(f"error: {folder}: holds no WAV files", file=sys.stderr)
            return 1
        seconds = sum(map(len, samples)) / rate
        print(f"{len(samples)} waveforms, {seconds:.1f} s, one thread; ratios of real time")
        print(f"{'feature':<24}{'ours':>10}{'librosa':>10}{'ours / librosa':>16}")
        for name, feature in params.features.items():
            ours = ratio(lambda one, name=name: compute(name, one, params.features, rate), samples, rate)
            call = librosa_call(feature, rate)
            theirs = ratio(call, samples, rate) if call else None
            beside = f"{theirs:>10.5f}{ours / theirs:>16.2f}" if theirs else f"{'-':>10}{'-':>16}"
            print(f"{name:<24}{ours:>10.5f}{beside}")
        for recipe, definition in params.preprocess.recipes.items():
            prepared = ratio(lambda one, r=definition: prepare(one, rate, r, params.preprocess), samples, rate)
            print(f"{'recipe ' + recipe:<24}{prepared:>10.5f}")
        copied = ratio(lambda one: augment(one, rate, "it", 1, params.augment), samples, rate)
        print(f"{'augmented copy':<24}{copied:>10.5f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
