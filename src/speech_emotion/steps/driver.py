"""Runs one step: checks params, seeds, writes to temporary folders, and moves these into place."""

import functools
import importlib
import json
import os
import platform
import random
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from speech_emotion.corpora.versions import address
from speech_emotion.errors import UserError
from speech_emotion.params import Params, check_part
from speech_emotion.provenance import revision
from speech_emotion.recorder import Recorder
from speech_emotion.steps.step import WHOLE, Folders, Part, Step, StepParams
from speech_emotion.store.atomic import atomic_folders, write_text

NAMES = (
    "ingest", "preprocess", "augment", "features", "tune", "train", "evaluate", "select", "export", "track", "register",
)  # fmt: skip
PROVENANCE = Path("artifacts/provenance")
MADE_OF = "made-of.json"  # beside the arrays of one recipe or feature: everything they depend on


def load_step(name: str) -> Step:
    """Returns the step called `name`.

    Raises:
        UserError: there is no such step.
    """
    if name not in NAMES:
        raise UserError(f"step {name}: must be one of {', '.join(NAMES)}")
    return importlib.import_module(f"speech_emotion.steps.{name}").STEP


def parse_sections(text: str) -> Params:
    """Reads params from JSON text with only the sections of one step, as Kubeflow passes them.

    Raises:
        UserError: it is not a JSON object, or a value is out of range.
    """
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"params: not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise UserError("params: must be a JSON object with sections such as ingest and train")
    return check_part(raw, "params")


def execute(
    step: Step,
    params: Params,
    system: str | None = None,
    inputs: Mapping[str, Path] | None = None,
    outputs: Mapping[str, Path] | None = None,
    recorder: Recorder | None = None,
    provenance: Path | None = PROVENANCE,
    part: tuple[int, int] = WHOLE,
    each: str | None = None,
) -> None:
    """Runs a step on its default folders, or on the given ones.

    Args:
        step: the step.
        params: all of params, or at least the sections that the step declares.
        system: which system, for steps with one instance per system.
        inputs: port -> folder, in place of the default.
        outputs: port -> folder, in place of the default.
        recorder: receives progress and notes.
        provenance: folder that receives time, host and duration, outside all hashes; None writes none.
        part: (k, n): a sharded step processes the k-th of n contiguous ranges of the utterances, counted from 1.
        each: process only this recipe or feature, if the step can; its folder below each output is replaced.

    Raises:
        UserError: params or part are invalid, an input is missing, a port is unknown, or the step reports an error.
    """
    sources, finals, step_params = prepared(step, params, system, inputs, outputs, part, each)
    recorder = recorder or Recorder()
    started = time.time()
    if each is not None:
        finals = {port: folder / each for port, folder in finals.items()}
    with atomic_folders(*finals.values()) as temporaries:
        targets = dict(zip(finals, temporaries, strict=True))
        if each is not None:
            _run_each(step, sources, step_params, targets, recorder)
        else:
            _seed_everything()
            step.run(sources, step_params, targets, recorder)
    if provenance is not None:
        name = "-".join(filter(None, (step.name, system, each)))
        _write_provenance(provenance, name if part == WHOLE else f"{name}-{part[0]}-of-{part[1]}", started)


def _run_each(step: Step, sources: Folders, params: StepParams, targets: Folders, recorder: Recorder) -> None:
    """Processes one recipe or feature; if no candidate needs it, writes only the file MADE_OF."""
    wanted = Path(step.wanted.format(each=params.each))
    try:
        text = wanted.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{wanted}: does not exist: run dvc repro, which writes it") from None
    if json.loads(text):
        _seed_everything()
        parents = {port: folder / ".work" for port, folder in targets.items()}
        for folder in parents.values():
            folder.mkdir()
        step.run(sources, params, parents, recorder)
        for port, folder in parents.items():
            for path in (folder / params.each).iterdir():
                path.rename(targets[port] / path.name)
            shutil.rmtree(folder)
    for folder in targets.values():
        write_text(folder / MADE_OF, text)


def prepared(
    step: Step,
    params: Params,
    system: str | None = None,
    inputs: Mapping[str, Path] | None = None,
    outputs: Mapping[str, Path] | None = None,
    part: tuple[int, int] = WHOLE,
    each: str | None = None,
) -> tuple[dict[str, Path], dict[str, Path], StepParams]:
    """Returns a step's input folders (missing caches are created), its final output folders, and its params.

    Args:
        step, params, system, inputs, outputs, part, each: as for `execute`.

    Raises:
        UserError: params or part are invalid, an input is missing, or a port is unknown.
    """
    part = _checked_part(step, part)
    if each is None:
        check_systems(params)  # imports all training code; for instances stage check of dvc.yaml does it
        check_choice(params)
    elif not step.each or each not in functools.reduce(getattr, step.each.split("."), params):
        raise UserError(f"step {step.name}: each = {each}: must be a key of {step.each or 'nothing: leave it out'}")
    if step.per_system and system not in params.systems:
        raise UserError(f"step {step.name}: system = {system}: must be one of {', '.join(sorted(params.systems))}")
    if not step.per_system and system is not None:
        raise UserError(f"step {step.name}: takes no system: leave it out")
    sources = _folders(step, {**step.inputs, **step.caches}, inputs, params, system)
    finals = _folders(step, step.outputs, outputs, params, system)
    for port in step.inputs:
        if not sources[port].exists():
            raw = step.inputs[port].startswith("data/")
            cure = f"make data CORPUS={params.corpus}" if raw else "the steps before (dvc repro)"
            raise UserError(f"step {step.name}: input {port} = {sources[port]}: does not exist: run {cure}")
    for port in step.caches:
        sources[port].mkdir(parents=True, exist_ok=True)
    return sources, finals, StepParams(params, step.sections, system, part, each)


def _checked_part(step: Step, part: tuple[int, int]) -> Part:
    number, count = part
    if not 1 <= number <= count:
        raise UserError(f"step {step.name}: part = {number}/{count}: must be K/N with K from 1 to N")
    if not step.sharded and part != WHOLE:
        raise UserError(
            f"step {step.name}: part = {number}/{count}: this step always processes all utterances: leave the part out"
        )
    return Part(number, count)


def check_systems(params: Params) -> None:
    """Checks the hyper-parameters of every candidate, as far as they are given, before anything runs.

    Raises:
        UserError: a hyper-parameter is invalid.
    """
    from speech_emotion.systems.catalogue import check_system_params

    systems = getattr(params, "systems", {})
    for system in getattr(params, "candidates", systems):
        if system in systems:
            check_system_params(params, system)


def check_choice(params: Params) -> None:
    """Checks `select.metric`, if it is given.

    Raises:
        UserError: it is not a known metric.
    """
    from speech_emotion.evaluation.metrics import metric_of

    if hasattr(params, "select"):
        metric_of(params.select.metric, "params.yaml: select.metric")


def _folders(
    step: Step, defaults: Mapping[str, str], given: Mapping[str, Path] | None, params: Params, system: str | None
) -> dict[str, Path]:
    given = dict(given or {})
    known = {**step.inputs, **step.caches, **step.outputs}
    if unknown := sorted(set(given) - set(known)):
        raise UserError(f"step {step.name}: port {unknown[0]}: must be one of {', '.join(sorted(known))}")
    return {
        port: Path(given[port] if port in given else template.format(corpus=params.corpus, system=system))
        for port, template in defaults.items()
    }


def _seed_everything(seed: int = 0) -> None:
    """Seeds the global generators as a fallback; everything that affects a result has its own seeds (randomness.py)."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)


def _write_provenance(folder: Path, name: str, started: float) -> None:
    record = {
        "step": name,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": round(time.time() - started, 2),
        "host": platform.node(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "revision": revision(),
        "data": address(),
    }
    write_text(folder / f"{name}.json", json.dumps(record, indent=1) + "\n")
