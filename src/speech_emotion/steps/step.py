"""What a step is: named ports, the params it reads, and a function over folders."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from speech_emotion.params import Params
from speech_emotion.recorder import Recorder

Folders = Mapping[str, Path]


class Part(NamedTuple):
    """One of `count` contiguous ranges of the utterances, in the order of the table; `number` counts from 1."""

    number: int
    count: int

    def range(self, utterances: int) -> range:
        """The places, from 0, of this part's utterances; ranges of all parts follow each other, some may be empty."""
        first, last = ((self.number - 1) * utterances // self.count, self.number * utterances // self.count)
        return range(first, last)


WHOLE = Part(1, 1)


class StepParams:
    """The params that a step declared; reading any other section is an error of the step's author.

    Attributes:
        system: id of the system that this instance works for; None for steps that have one instance.
        each: the recipe or feature that this instance works for; None for all of them.
        part: the utterances that a sharded step works on.
    """

    def __init__(
        self,
        params: Params,
        sections: tuple[str, ...],
        system: str | None = None,
        part: Part = WHOLE,
        each: str | None = None,
    ):
        self._params = params
        self._sections = sections
        self._allowed = {section.split(".")[0] for section in sections} | {"workers"}
        if self._allowed & {"budgets", "candidates"}:
            self._allowed.add("budget")
        self.system = system
        self.part = part
        self.each = each

    def of_system(self, system: str) -> "StepParams":
        """The same params, at work for one system."""
        return StepParams(self._params, self._sections, system, self.part, self.each)

    def __getattr__(self, name: str) -> Any:
        if name not in self._allowed:
            raise AttributeError(
                f"params section {name} is not among the step's declared sections {sorted(self._allowed)}"
            )
        return getattr(self._params, name)


@dataclass(frozen=True)
class Step:
    """One step of the graph.

    `run(inputs, params, outputs, recorder)` reads the input folders, writes into the empty output folders, and
    knows nothing of DVC, MLflow, Kubeflow, git or the environment. Folder templates may hold {corpus} and {system}.

    Attributes:
        name: as in dvc.yaml and on the command line.
        run: the work.
        inputs: port -> where dvc keeps it.
        outputs: port -> where dvc keeps it; they appear together, whole or not at all.
        sections: params keys that the step depends on, as dvc.yaml tracks them ("train", "systems.{system}", ...).
        caches: port -> folder kept between runs, read and added to; handed over among the inputs, made where absent, in
            no hash.
        per_system: one instance for each candidate.
        each: section of params whose keys, recipes or features, may be worked on one at a time, each in a folder of its
            name below the outputs, as DVC does; empty for other steps.
        wanted: the file of steps/wanted.py on which the stage of dvc.yaml depends in place of sections and code that
            decide its inputs; may hold {each} or {system}.
        dvc_inputs: what that stage depends on beside it; None for the folders of `inputs`.
        sharded: can be told to work on a part of the utterances; store.parts joins what it writes of them. Steps that
            take an utterance at a time and read nothing but its outputs (augment, features) need not be told: of a
            part's waveforms they make that part's.
    """

    name: str
    run: Callable[[Folders, Any, Folders, Recorder], None]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    sections: tuple[str, ...]
    caches: Mapping[str, str] = field(default_factory=dict)
    per_system: bool = False
    each: str = ""
    wanted: str = ""
    dvc_inputs: tuple[str, ...] | None = None
    sharded: bool = False
