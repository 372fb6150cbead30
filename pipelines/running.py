"""Runs a pipeline on this machine with kfp's local runner, and filters its output."""

import builtins
import contextlib
import logging
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from kfp import local
from kfp.dsl.base_component import BaseComponent

from pipelines.display import Display
from pipelines.runners import Place, Runner, runner
from speech_emotion.errors import UserError

CACHE = "cache"  # kfp's cache of earlier outputs, below the root of the runs
LOG = "last.log"


def run(pipeline: BaseComponent, arguments: Mapping[str, Any], place: Place, kind: str) -> None:
    """Runs a pipeline to its end; tasks whose outputs are in the cache are skipped.

    Args:
        pipeline: compiled for this machine.
        arguments: values of its parameters.
        place: folders and environment.
        kind: of runner, as runners.KINDS names them.

    Raises:
        UserError: a step failed, with its own message, or the runner cannot be used.
    """
    place.root.mkdir(parents=True, exist_ok=True)
    chosen = runner(kind, place)
    local.init(chosen, str(place.root), enable_caching=True, cache_root=str(place.root / CACHE))
    log = place.root / LOG
    with log.open("w", encoding="utf-8") as file, _shown(Display(sys.stdout, file)) as display, _ended(chosen):
        try:
            pipeline(**arguments)
        except RuntimeError as error:
            raise UserError(_failure(pipeline.name, str(error), display, log)) from None
    print(f"full log: {log}")


def _ended(chosen: Runner) -> AbstractContextManager[None]:
    """Stops containers that are still running when the run ends."""
    if isinstance(chosen, local.SubprocessRunner):
        return contextlib.nullcontext()
    from pipelines.containers import ended_with_us  # needs Docker

    return ended_with_us(chosen)


def _failure(name: str, text: str, display: Display, log: Path) -> str:
    tasks = re.findall(r"'([^']+)'", re.sub(r"\x1b\[\d+m", "", text.partition("Inner task failed")[2]))
    head = f"pipeline {name}: step {tasks[0]} failed" if tasks else f"pipeline {name}: {text}"
    return "\n".join([f"{head}; full log: {log}", *display.errors])


@contextlib.contextmanager
def _shown(display: Display) -> Iterator[Display]:
    """Sends standard output and kfp's log through the display."""
    handler = logging.StreamHandler(display)
    root = logging.getLogger()
    before, level, printing = root.handlers[:], root.level, builtins.print
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    try:
        with contextlib.redirect_stdout(display), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # that a subprocess ignores the image
            warnings.simplefilter("ignore", UserWarning)  # that resources are ignored here
            yield display
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        builtins.print = printing  # kfp replaces it to indent, and its threads may restore the wrong one
        display.flush()
