"""The definition of a step: named ports, the params it reads, and a function over folders."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from speech_emotion.params import Params
from speech_emotion.recorder import Recorder

Folders = Mapping[str, Path]


class Part(NamedTuple):
    """One of `count` contiguous ranges of the utterances, in table order; `number` counts from 1."""

    number: int
    count: int

    def range(self, utterances: int) -> range:
        """Returns the row numbers, from 0, of this part's utterances; parts are contiguous, and some may be empty."""
        first, last = ((self.number - 1) * utterances // self.count, self.number * utterances // self.count)
        return range(first, last)


WHOLE = Part(1, 1)


class StepParams:
    """The params that a step declares; reading any other section is a programming error.

    Attributes:
        system: id of this instance's system; None for steps with one instance.
        each: this instance's recipe or feature; None for all of them.
        part: the utterances that a sharded step processes.
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
        """Returns the same params for one system."""
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

    `run(inputs, params, outputs, recorder)` reads the input folders, writes into the empty output folders, and is
    independent of DVC, MLflow, Kubeflow, git and the environment. Folder templates may contain {corpus} and {system}.

    Attributes:
        name: its name in dvc.yaml and on the command line.
        run: the function above.
        inputs: port -> default folder.
        outputs: port -> default folder; all appear together, once they are complete.
        sections: keys of params that the step depends on, as in dvc.yaml ("train", "systems.{system}", ...).
        caches: port -> folder kept between runs, for reading and adding; passed with the inputs, created if absent, and
            outside all hashes.
        per_system: whether there is one instance for each candidate.
        each: section of params whose keys (recipes or features) can be processed separately, each in its own folder
            below the outputs, as DVC does; empty for other steps.
        wanted: the file of steps/wanted.py that the stage in dvc.yaml depends on, in place of the sections and code
            that decide its inputs; may contain {each} or {system}.
        own_rooms: rooms among those that steps/wanted.py covers on which the stage depends all the same.
        dvc_inputs: the stage's other dependencies; None means the folders of `inputs`.
        sharded: whether it accepts a part of the utterances; store.parts joins the outputs. Steps that process the
            outputs of such a step utterance by utterance (augment, features) do not need it: their inputs already have
            only that part.
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
    own_rooms: tuple[str, ...] = ()
    sharded: bool = False
