"""How often held-out speakers, other corpora and sounds other than speech are classed as out of distribution.

python benchmarks/out_of_distribution.py emodb=FOLDER [ravdess=FOLDER ...] [--sounds N]

Each corpus in turn is the training speech: each of its speakers is scored by a detector fitted to the other speakers
(the threshold comes from cross-validation among those); a detector fitted to all of its speakers then scores every
other corpus and the sounds of sounds.py.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import sounds
from speech_emotion.audio.reading import read_audio, resample
from speech_emotion.corpora.table import Utterance
from speech_emotion.errors import UserError
from speech_emotion.inference.out_of_distribution_fitting import fit_detector, segments
from speech_emotion.parallel import ordered_map
from speech_emotion.params import Params, load_params
from speech_emotion.recorder import Recorder
from speech_emotion.steps.ingest import survey
from speech_emotion_jetson.out_of_distribution import OodDetector


@dataclass(frozen=True)
class Speech:
    """A corpus.

    Attributes:
        rows: id -> measures (segments, D).
        speakers: id -> speaker.
    """

    rows: dict[str, np.ndarray]
    speakers: dict[str, str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "corpora", nargs="+", metavar="CORPUS=FOLDER", help="the folder that its files were unpacked to"
    )
    parser.add_argument("--sounds", type=int, default=8, help="of each kind")
    options = parser.parse_args()
    params = load_params()
    try:
        corpora = {}
        for one in options.corpora:
            name, found, folder = one.partition("=")
            if not found:
                raise UserError(f"{one}: is not CORPUS=FOLDER: emodb=~/emodb")
            corpora[name] = measured(name, Path(folder).expanduser(), params)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    numbered = [(kind, number) for kind in sounds.KINDS for number in range(options.sounds)]
    rows = ordered_map(_sound, numbered, params.workers, Recorder(), "sounds")
    made = dict(zip(numbered, rows, strict=True))
    fit = partial(fit_detector, share=params.export.ood_share, margin=params.export.ood_margin)
    for name, training in corpora.items():
        print(f"\ndetector fitted to {name:<21}{'files':>6}{'OOD, %':>11}{'lowest':>9}")
        scores = []
        for speaker in sorted(set(training.speakers.values())):
            others = {id: rows for id, rows in training.rows.items() if training.speakers[id] != speaker}
            detector = fit(others, training.speakers)
            own = [detector.score(rows) for id, rows in training.rows.items() if training.speakers[id] == speaker]
            _print(f"{name}, speaker {speaker}", own)
            scores += own
        _print(f"{name}, each speaker held out", scores)
        detector = fit(training.rows, training.speakers)
        for other, speech in corpora.items():
            if other != name:
                _print(other, [detector.score(rows) for rows in speech.rows.values()])
        _print_sounds(detector, made)
    return 0


def measured(corpus: str, folder: Path, params: Params) -> Speech:
    """Reads a corpus and measures its utterances.

    Raises:
        UserError: there is no such corpus or folder.
    """
    found = survey(folder, corpus, params.ingest, params.workers, Recorder())
    utterances = [one for one in found if isinstance(one, Utterance)]
    rows = ordered_map(
        _segments, [folder / one.path for one in utterances], params.workers, Recorder(), f"measure {corpus}"
    )
    ids = [one.id for one in utterances]
    speakers = dict(zip(ids, (one.speaker for one in utterances), strict=True))
    return Speech(dict(zip(ids, rows, strict=True)), speakers)


def _segments(path: Path) -> np.ndarray:
    audio = read_audio(path)
    return segments(resample(audio.samples, audio.rate, sounds.RATE), sounds.RATE)


def _sound(one: tuple[str, int]) -> np.ndarray:
    return segments(sounds.sound(*one), sounds.RATE)


def _print_sounds(detector: OodDetector, made: dict[tuple[str, int], np.ndarray]) -> None:
    for group in sounds.GROUPS:
        of_group: list[float] = []
        for kind in (kind for kind, (its, _) in sounds.KINDS.items() if its == group):
            scores = [detector.score(rows) for (name, _), rows in made.items() if name == kind]
            of_group += scores
            _print(f"  {kind}", scores)
        _print(group, of_group)


def _print(what: str, scores: Sequence[float]) -> None:
    share = 100 * float(np.mean(np.array(scores) > 1))
    print(f"{what:<40}{len(scores):>6}{share:>11.1f}{min(scores):>9.2f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
