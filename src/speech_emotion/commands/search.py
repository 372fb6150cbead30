"""The search for hyper-parameters: an additional worker, the list of studies, and publishing trials."""

import signal
import sys
from pathlib import Path

from speech_emotion.params import Params, load_params
from speech_emotion.recorder import Recorder


def search_worker(system: str) -> None:
    """Works on a system's search, as an additional worker, until all its trials have finished.

    Raises:
        UserError: there is no such system, the search is off, a folder is missing or the storage cannot be used.
    """
    from speech_emotion.steps.driver import load_step, prepared
    from speech_emotion.steps.tune import join_search

    inputs, _, params = prepared(load_step("tune"), load_params(), system)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # releases its trial, like Ctrl-C
    join_search(inputs, params, Recorder())


def studies(remove_old: bool = False) -> str:
    """Lists the candidates' studies on the current corpus, one per line.

    Args:
        remove_old: delete the studies of other data, params or code.

    Raises:
        UserError: a folder is missing or the storage cannot be used.
    """
    from speech_emotion.steps.driver import load_step, prepared
    from speech_emotion.steps.tune import list_studies, search_jobs

    lines, params = [], load_params()
    for system in params.candidates:
        inputs, _, of_step = prepared(load_step("tune"), params, system)
        lines += list_studies(search_jobs(inputs, of_step), remove_old)
    return "\n".join(lines) or "no study"


def publish_trials(params: Params, papers: Path) -> int:
    """Writes the finished trials of the candidates' studies to `papers`; returns their number.

    Raises:
        UserError: a folder is missing or the storage cannot be used.
    """
    from speech_emotion.steps.driver import load_step, prepared
    from speech_emotion.steps.tune import publish_studies, search_jobs

    count = 0
    for system in params.candidates:
        inputs, _, of_step = prepared(load_step("tune"), params, system)
        count += publish_studies(search_jobs(inputs, of_step), papers)
    return count
