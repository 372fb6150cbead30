"""The runners of this machine: a subprocess a task, or a container a task."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kfp import local

from speech_emotion.corpora.remote import FOLDER
from speech_emotion.errors import UserError
from speech_emotion.steps.component import CACHE_VARIABLE, TRACK_VARIABLE

WORKERS_VARIABLE = "LOKY_MAX_CPU_COUNT"  # joblib counts no more cores than it says


@dataclass(frozen=True)
class Place:
    """Where a run on this machine finds and leaves things.

    Attributes:
        root: folder of the runs, their outputs and what kfp finds them by.
        data: folder that holds the corpora.
        cache: folder kept between runs: finished units, studies, journals, provenance.
        track: section `track` of params.yaml as JSON, for the live view; "" for none.
        workers: processes a task may use.
    """

    root: Path
    data: Path
    cache: Path
    track: str
    workers: int

    def environment(self) -> dict[str, str]:
        """What the components read of it."""
        return {
            FOLDER: str(self.data.resolve()),
            CACHE_VARIABLE: str(self.cache.resolve()),
            TRACK_VARIABLE: self.track,
            WORKERS_VARIABLE: str(self.workers),
        }


def runner(kind: str, place: Place) -> local.SubprocessRunner:
    """The runner of that kind, with what it takes to see the place.

    Raises:
        UserError: there is no such runner.
    """
    if kind not in KINDS:
        raise UserError(f"RUNNER = {kind}: must be one of {', '.join(KINDS)}")
    return KINDS[kind](place)


def _subprocess(place: Place) -> local.SubprocessRunner:
    os.environ.update(place.environment())  # a subprocess inherits it
    return local.SubprocessRunner(use_venv=False)


KINDS: Mapping[str, Callable[[Place], local.SubprocessRunner]] = {"subprocess": _subprocess}
