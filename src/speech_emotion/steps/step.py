"""What a step is: named ports, the params it reads, and a function over folders."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speech_emotion.params import Params
from speech_emotion.recorder import Recorder

Folders = Mapping[str, Path]


class StepParams:
    """The params that a step declared; reading any other section is an error of the step's author.

    Attributes:
        system: id of the system that this instance works for; None for steps that have one instance.
    """

    def __init__(self, params: Params, sections: tuple[str, ...], system: str | None = None):
        self._params = params
        self._sections = sections
        self._allowed = {section.split(".")[0] for section in sections} | {"workers"}
        if self._allowed & {"budgets", "candidates"}:
            self._allowed.add("budget")
        self.system = system

    def of_system(self, system: str) -> "StepParams":
        """The same params, at work for one system."""
        return StepParams(self._params, self._sections, system)

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
        per_system: one instance for each system of the budget.
        always: runs each time, since what it makes lies outside its outputs.
    """

    name: str
    run: Callable[[Folders, Any, Folders, Recorder], None]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    sections: tuple[str, ...]
    caches: Mapping[str, str] = field(default_factory=dict)
    per_system: bool = False
    always: bool = False
