"""The plan of a pipeline run: for each step the sections that it declares, and a hash of everything it depends on.

Kubeflow's cache finds a step's earlier outputs by its parameters, and compares the names of its inputs, not their
contents. So each step gets only its own sections, in canonical form, and a hash of everything that decides its inputs:
the data, the sections of the steps before, and their code and protocols as well as its own. As a result, changing
`registry` retrains nothing, and changing `augment` never reuses old features.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speech_emotion.errors import UserError
from speech_emotion.params import Params
from speech_emotion.sections import check, part_of
from speech_emotion.steps.component import INPUTS_KEY, uses_gpu
from speech_emotion.steps.driver import NAMES, check_choice, check_systems, load_step
from speech_emotion.steps.graph import READ_FROM_TOP, RUNTIME, RUNTIME_SOURCE, SOURCE, stage_deps
from speech_emotion.steps.step import Step
from speech_emotion.steps.wanted import files_of
from speech_emotion.store.hashing import canonical_json, hash_code, hash_json, sha256_file
from speech_emotion.systems.catalogue import in_order, members_of
from speech_emotion.yaml_files import parse_yaml

CODE = f"src/{SOURCE.name}/"  # the package's folder in dvc.yaml
SHARDED = ("preprocess", "augment", "features")
JOINED = {
    "waveforms": ("artifacts/preprocess",),
    "features": ("artifacts/features",),
    "results": ("artifacts/tune", "artifacts/train"),
}


@dataclass(frozen=True)
class Plan:
    """The parameters that a pipeline run passes to its components.

    Attributes:
        steps: step -> params as JSON text, for steps with one instance.
        joins: `waveforms`, `features` or `results` (of all systems), which are joined -> hash of what they depend on.
        systems: for each system its name, the number of accelerators of its pods (as text, for Kubeflow), and the
            params of the steps with one instance per system: {"system", "accelerators", "tune", "train"}.
        parts: for each part of the utterances its number from 1, the number of parts, and the params of sharded steps.
    """

    steps: Mapping[str, str]
    joins: Mapping[str, str]
    systems: Sequence[Mapping[str, str]]
    parts: Sequence[Mapping[str, Any]]


def make_plan(
    params: str,
    data_hash: str,
    corpus: str = "",
    systems: Sequence[str] = (),
    overrides: Sequence[str] = (),
    parts: int = 1,
    accelerators: int = 0,
) -> Plan:
    """Makes the plan of a run; all params are checked before anything is computed.

    Args:
        params: all of params.yaml as JSON text.
        data_hash: hash of the corpus's files.
        corpus: replaces `corpus` of params; "" keeps it.
        systems: replace `candidates`; if empty, these are kept, or taken from the budget if `corpus` changes.
        overrides: KEY=VALUE pairs, with values as in params.yaml, e.g. "train.patience=5".
        parts: number of parts of the utterances.
        accelerators: number for each pod that trains a network; other systems get none, since they cannot use them.

    Raises:
        UserError: params are invalid, or an override has no such key.
    """
    raw = _changed(params, corpus, systems, overrides)
    whole: Params = check(Params, raw, "params")
    check_systems(whole)
    check_choice(whole)
    if parts < 1:
        raise UserError(f"shards = {parts}: must be at least 1")
    hashes = _Hashes(raw, whole, data_hash)
    steps = {name: load_step(name) for name in NAMES}
    return Plan(
        {name: hashes.text(step) for name, step in steps.items() if not step.per_system and name not in SHARDED},
        {port: hash_json([hashes.made_of(folder) for folder in folders]) for port, folders in JOINED.items()},
        [
            {"system": system, "accelerators": str(accelerators if uses_gpu(whole.systems, system) else 0)}
            | {name: hashes.text(step, system) for name, step in steps.items() if step.per_system}
            for system in in_order(whole.systems, whole.candidates)
        ],
        [
            {"part": part, "parts": parts} | {name: hashes.text(steps[name]) for name in SHARDED}
            for part in range(1, parts + 1)
        ],
    )


class _Hashes:
    def __init__(self, raw: dict[str, Any], params: Params, data_hash: str):
        self._raw, self._params, self._data = raw, params, data_hash
        self._makers = {folder: name for name in NAMES for folder in load_step(name).outputs.values()}

    def text(self, step: Step, system: str | None = None) -> str:
        return canonical_json({INPUTS_KEY: self._inputs(step, system), **self._sections(step, system)})

    def _sections(self, step: Step, system: str | None) -> dict[str, Any]:
        systems = [] if system is None else [*members_of(self._params.systems, system), system]
        keys = [
            section.format(corpus=self._params.corpus, system=one)
            for section in step.sections
            for one in (systems if "{system}" in section else [None])
        ]
        return part_of(self._raw, keys)

    def _inputs(self, step: Step, system: str | None) -> str:
        """Hash of everything besides the sections that decides the outputs: code, versions, and the inputs' hashes."""
        made_of: dict[str, Any] = {"code": _code(step.name), "wanted": self._wanted(step, system)}
        for port, folder in step.inputs.items():
            made_of[port] = self.made_of(folder, system)
        return hash_json(made_of)

    def _wanted(self, step: Step, system: str | None) -> Any:
        """The contents of the files of steps/wanted.py that the step's stage in dvc.yaml depends on."""
        if not step.wanted:
            return None
        files = files_of(step.wanted.split("/")[2], self._params, self._data)
        return files[system] if system else files

    def made_of(self, folder: str, system: str | None = None) -> Any:
        """Returns everything that decides the contents of an input folder, given as in Step.inputs."""
        if folder.startswith("data/"):
            return self._data
        if folder in self._makers:
            return self._whole(load_step(self._makers[folder]), system)
        maker = load_step(self._makers[f"{folder}/{{system}}"])  # all instances of a step with one per system
        return [self._whole(maker, one) for one in self._params.candidates]

    def _whole(self, step: Step, system: str | None) -> list[Any]:
        of = system if step.per_system else None
        return [self._sections(step, of), self._inputs(step, of)]


@functools.cache
def _code(step: str) -> list[str]:
    """Hashes of the step's code files in dvc.yaml, and of the protocols and claims that it reads."""
    files: list[Path] = []
    for dep in stage_deps(load_step(step)):
        if dep.startswith((CODE, f"{RUNTIME_SOURCE}/")):
            inside = dep.startswith(CODE)
            path = SOURCE / dep.removeprefix(CODE) if inside else RUNTIME / dep.removeprefix(f"{RUNTIME_SOURCE}/")
            files += sorted(file for file in path.rglob("*.*") if "__pycache__" not in file.parts) or [path]
        elif dep in READ_FROM_TOP.values():
            files += sorted(Path(dep).rglob("*.yaml"))
    return [_file(path) for path in files]


@functools.cache
def _file(path: Path) -> str:
    return hash_code([path]) if path.suffix == ".py" else sha256_file(path)


def _changed(params: str, corpus: str, systems: Sequence[str], overrides: Sequence[str]) -> dict[str, Any]:
    try:
        raw = json.loads(params)
    except json.JSONDecodeError as error:
        raise UserError(f"params: not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise UserError("params: must be a JSON object with sections such as ingest and train")
    for text in overrides:
        _override(raw, text)
    if corpus and corpus != raw.get("corpus"):
        raw["corpus"] = corpus
        raw["candidates"] = raw.get("budgets", {}).get(corpus, {}).get("candidates", raw.get("candidates"))
    if systems:
        raw["candidates"] = list(systems)
    return raw


def _override(raw: dict[str, Any], text: str) -> None:
    key, sign, value = text.partition("=")
    if not sign:
        raise UserError(f"overrides: {text}: must be KEY=VALUE, e.g. train.patience=5")
    *above, last = key.strip().split(".")
    section: Any = raw
    for name in above:
        section = section.get(name) if isinstance(section, dict) else None
    if not isinstance(section, dict):
        raise UserError(f"overrides: {key}: is not a key of params: check the spelling")
    try:
        section[last] = parse_yaml(value)
    except ValueError as error:
        raise UserError(f"overrides: {text}: the value is not YAML: {error}") from None
