"""Speed of features compared with librosa's calls, and agreement of F0 with librosa's pYIN; one thread on one core.

python benchmarks/features.py [FOLDER] [--limit N]

Uses N (20) WAV files, picked evenly from FOLDER, else from $CORPORA/emodb, else utterances of the demo corpus.
"""

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import threadpoolctl
import torch

from speech_emotion.audio.augmentation import augment
from speech_emotion.audio.preparation import prepare
from speech_emotion.audio.reading import read_audio
from speech_emotion.compiled import librosa
from speech_emotion.corpora import synthesis
from speech_emotion.features.extraction import compute, repeat_to
from speech_emotion.features.pitch import pitch
from speech_emotion.params import Feature, Params, load_params

ROUNDS = 3  # the fastest one counts
QUARTER_TONE = 50  # cents
PITCH_KINDS = ("f0", "voicing")
Work = Callable[[np.ndarray], object]


def waveforms(folder: Path | None, limit: int, params: Params) -> list[np.ndarray]:
    """Up to `limit` waveforms at preprocess.sample_rate, picked evenly from the folder or the demo corpus."""
    recipe = next(iter(params.preprocess.recipes.values()))
    if folder is None:
        chosen = _evenly(synthesis.script(), limit)
        made = [synthesis.utterance(line) for line in chosen]
        return [prepare(samples, synthesis.SAMPLE_RATE, recipe, params.preprocess) for samples in made]
    audios = [read_audio(path) for path in _evenly(sorted(folder.rglob("*.wav")), limit)]
    return [prepare(audio.samples, audio.rate, recipe, params.preprocess) for audio in audios]


def _evenly(items: list, limit: int) -> list:
    return [items[n * len(items) // limit] for n in range(limit)] if len(items) > limit else items


def librosa_call(feature: Feature, rate: int) -> Work | None:
    """The closest call of librosa with the same frames; None if there is none."""
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
    if feature.kind in PITCH_KINDS:
        return lambda samples: librosa().pyin(
            samples, sr=rate, fmin=feature.fmin, fmax=feature.fmax, frame_length=feature.frame, **frames
        )
    if feature.kind == "formants":

        def roots(samples: np.ndarray) -> list[np.ndarray]:
            framed = librosa().util.frame(samples, frame_length=feature.frame, hop_length=feature.hop, axis=0)
            window = np.hamming(feature.frame)
            order = 2 + rate // 1000
            return [
                np.roots(librosa().lpc(librosa().effects.preemphasis(frame) * window, order=order)) for frame in framed
            ]

        return roots
    return None


def seconds(work: Work, samples: list[np.ndarray], rate: int) -> float:
    """CPU seconds of one thread per second of speech."""
    work(samples[0])  # compiles and fills caches
    taken = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        for one in samples:
            work(one)
        taken.append(time.thread_time() - started)
    return min(taken) / (sum(map(len, samples)) / rate)


def whole_set(params: Params, leave_out: tuple[str, ...]) -> tuple[Work, Work]:
    """The computation of all features of the candidates by this package and by librosa's calls.

    The former includes statistics and speech rate, which librosa does not have; librosa computes F0 and voicing in one
    call.

    Args:
        params: the candidates and their features.
        leave_out: kinds of features that are not computed.
    """
    rate = params.preprocess.sample_rate
    features: dict[str, Feature] = {}
    wanted: dict[str, int] = {}
    for needs in (params.needs[system] for system in params.candidates):
        wanted |= {name: round(needs.min_seconds * rate) for name in needs.features}
    calls: list[tuple[Work, int]] = []
    for name, feature in params.features.items():
        if feature.kind in leave_out:
            continue
        parts = [part for part in feature.of or () if params.features[part].kind not in leave_out]
        features[name] = feature.model_copy(update={"of": parts}) if parts else feature
        if name not in wanted:
            continue
        for part in (params.features[part] for part in parts or [name]):
            if part.kind != "voicing" and (call := librosa_call(part, rate)):
                calls.append((call, wanted[name]))

    def ours(samples: np.ndarray) -> None:
        known: dict = {}
        for name, least in wanted.items():
            compute(name, samples, features, rate, least, known)

    def theirs(samples: np.ndarray) -> None:
        for call, least in calls:
            call(repeat_to(samples, least))

    return ours, theirs


def agreement(feature: Feature, samples: list[np.ndarray], rate: int) -> tuple[float, float]:
    """Share of frames with the same voicing as pYIN's; and, of frames voiced in both, share within a quarter tone."""
    same, near = [], []
    for one in samples:
        f0, _ = pitch(one.astype(np.float64), rate, feature.frame, feature.hop, feature.fmin, feature.fmax)
        theirs, voiced, _ = librosa_call(feature, rate)(one.astype(np.float64))
        same.append((f0 > 0) == voiced)
        both = (f0 > 0) & voiced
        near.append(np.abs(1200 * np.log2(f0[both] / theirs[both])) < QUARTER_TONE)
    return float(np.concatenate(same).mean()), float(np.concatenate(near).mean())


def report(params: Params, samples: list[np.ndarray]) -> None:
    rate = params.preprocess.sample_rate
    features: Mapping[str, Feature] = params.features

    def row(name: str, ours: float, theirs: float | None) -> None:
        beside = f"{theirs * 1000:>12.3f}{theirs / ours:>12.1f}" if theirs else ""
        print(f"{name:<32}{ours * 1000:>12.3f}{beside}", flush=True)

    print(f"{len(samples)} waveforms, {sum(map(len, samples)) / rate:.1f} s; CPU ms per second of speech")
    print(f"{'feature':<32}{'ours':>12}{'librosa':>12}{'times as fast':>16}")
    for name, feature in features.items():
        if feature.kind not in PITCH_KINDS:
            call = librosa_call(feature, rate)
            ours = seconds(lambda one, name=name: compute(name, one, features, rate), samples, rate)
            row(name, ours, seconds(call, samples, rate) if call else None)
    tracked = next((feature for feature in features.values() if feature.kind in PITCH_KINDS), None)
    if tracked:
        settings = (tracked.frame, tracked.hop, tracked.fmin, tracked.fmax)
        ours = seconds(lambda one: pitch(one.astype(np.float64), rate, *settings), samples, rate)
        theirs = seconds(librosa_call(tracked, rate), samples, rate)
        row("F0 and voicing", ours, theirs)
        print(f"F0 and voicing: {1 / ours:.0f} times real time; librosa's pYIN: {1 / theirs:.1f}")
        same, near = agreement(tracked, samples, rate)
        print(f"frames with pYIN's voicing: {same:.3%}; within a quarter tone where both are voiced: {near:.3%}")
    lacking = ("statistics", "speech-rate")  # librosa has no call for these
    print(f"features of {', '.join(params.candidates)}:")
    for title, left_out in {"with F0": (), "without F0": PITCH_KINDS}.items():
        ours, theirs = (seconds(work, samples, rate) for work in whole_set(params, left_out))
        row(f"whole set, {title}", ours, theirs)
    print(f"(librosa's time does not include {' and '.join(lacking)}, which it lacks; F0 and voicing are one call)")
    for recipe, definition in params.preprocess.recipes.items():
        row(
            f"recipe {recipe}",
            seconds(lambda one, r=definition: prepare(one, rate, r, params.preprocess), samples, rate),
            None,
        )
    row("augmented copy", seconds(lambda one: augment(one, rate, "it", 1, params.augment), samples, rate), None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--limit", type=int, default=20, help="the most waveforms to use (20)")
    given = parser.parse_args()
    if given.limit < 1:
        print(f"error: --limit = {given.limit}: must be at least 1", file=sys.stderr)
        return 1
    corpora = os.environ.get("CORPORA")
    folder = given.folder or (Path(corpora) / "emodb" if corpora else None)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # librosa warns about short waveforms
    with threadpoolctl.threadpool_limits(1):
        params = load_params()
        samples = waveforms(folder, given.limit, params)
        if not samples:
            print(f"error: {folder}: has no WAV files: give another folder", file=sys.stderr)
            return 1
        report(params, samples)
    return 0


if __name__ == "__main__":
    sys.exit(main())
