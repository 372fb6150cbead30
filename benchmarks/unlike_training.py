"""How often speech of unheard speakers, other speech, and sounds that are no speech are called unlike the training.

python benchmarks/unlike_training.py EMODB_FOLDER [--other FOLDER] [--sounds N]

Each EMO-DB speaker is judged by a description fitted on the nine others (their own cross-fitting sets its threshold);
FOLDER holds speech of another corpus, judged by the description of all ten, as the sounds of sounds.py are.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import sounds
from speech_emotion.audio.reading import read_audio, resample
from speech_emotion.inference.likeness import stretches
from speech_emotion.inference.likeness_fitting import fit_likeness
from speech_emotion.params import load_params
from speech_emotion.recorder import Recorder


def measured(paths: Sequence[Path], rate: int, title: str) -> dict[str, np.ndarray]:
    """File name -> measures of its stretches."""
    found = {}
    for path in Recorder().progress(paths, title):
        audio = read_audio(path)
        found[path.stem] = stretches(resample(audio.samples, audio.rate, rate), rate)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("emodb", type=Path, help="folder with EMO-DB's WAV files")
    parser.add_argument("--other", type=Path, help="folder with speech of another corpus")
    parser.add_argument("--sounds", type=int, default=8, help="of each kind")
    options = parser.parse_args()
    params = load_params().export
    share, margin = params.unlike_share, params.unlike_margin
    speech = measured(sorted(options.emodb.glob("*.wav")), sounds.RATE, "EMO-DB")
    speakers = {id: id[:2] for id in speech}

    print(f"{'speaker':<12}{'files':>6}{'flagged %':>11}")
    flagged = []
    for speaker in sorted(set(speakers.values())):
        others = {id: rows for id, rows in speech.items() if speakers[id] != speaker}
        likeness = fit_likeness(others, speakers, share, margin)
        own = [likeness.distance(rows) > 1 for id, rows in speech.items() if speakers[id] == speaker]
        flagged += own
        print(f"{speaker:<12}{len(own):>6}{100 * np.mean(own):>11.1f}", flush=True)
    print(f"{'all unheard':<12}{len(flagged):>6}{100 * np.mean(flagged):>11.1f}")

    likeness = fit_likeness(speech, speakers, share, margin)
    if options.other:
        rows = measured(sorted(options.other.rglob("*.wav")), sounds.RATE, "other speech")
        distances = np.array([likeness.distance(found) for found in rows.values()])
        print(f"{'other speech':<12}{len(distances):>6}{100 * np.mean(distances > 1):>11.1f}")
    print(f"\n{'sound':<12}{'files':>6}{'flagged %':>11}{'nearest':>9}")
    for group in sounds.GROUPS:
        of_group = []
        for kind in (kind for kind, (its, _) in sounds.KINDS.items() if its == group):
            made = (sounds.sound(kind, number) for number in range(options.sounds))
            distances = [likeness.distance(stretches(samples, sounds.RATE)) for samples in made]
            of_group += distances
            print(f"{kind:<12}{len(distances):>6}{_share(distances):>11.1f}{min(distances):>9.2f}", flush=True)
        print(f"{group.upper():<12}{len(of_group):>6}{_share(of_group):>11.1f}{min(of_group):>9.2f}\n")
    return 0


def _share(distances: Sequence[float]) -> float:
    return 100 * float(np.mean(np.array(distances) > 1))


if __name__ == "__main__":
    sys.exit(main())
