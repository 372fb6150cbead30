"""Whether a compiled pipeline holds together: every reference, type and image in it.

The compiler, and the loader of compiled pipelines, accept references that lead nowhere; a cluster finds them hours into
a run.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

ANY_ARTIFACT = "system.Artifact"
ITEM = "-loop-item"
IMAGE = re.compile(r"^[a-z0-9]([a-z0-9._/:-]*[a-z0-9])?(:[\w][\w.-]*|@sha256:[0-9a-f]{64})$")

# How resources of a container name an input of its task, which its component need not have; the value is text
READ = re.compile(r"\{\{\$\.inputs\.parameters\['([^']+)'\]\}\}")
TEXT = {"parameterType": "STRING"}

Spec = Mapping[str, Any]


def faults(spec: Spec) -> list[str]:
    """What is wrong in a pipeline's spec, a line each; empty where all is well."""
    return [*_Checker(spec).faults()]


class _Checker:
    def __init__(self, spec: Spec):
        self._components: Mapping[str, Spec] = spec.get("components", {})
        self._executors: Mapping[str, Spec] = spec.get("deploymentSpec", {}).get("executors", {})
        self._root: Spec = spec["root"]

    def faults(self) -> Iterator[str]:
        used: set[str] = set()
        for name, component in {"root": self._root, **self._components}.items():
            if "dag" in component:
                for task, content in component["dag"]["tasks"].items():
                    used.add(content["componentRef"]["name"])
                    yield from (f"{name}: task {task}: {fault}" for fault in self._task(component, content))
                yield from (f"{name}: outputs: {fault}" for fault in self._outputs(component))
            elif component.get("executorLabel") not in self._executors:
                yield f"{name}: executor {component.get('executorLabel')} is not there"
        yield from (f"{name}: is used by no task" for name in sorted(self._components.keys() - used))
        for name, executor in self._executors.items():
            image = executor.get("container", {}).get("image", "")
            if "importer" not in executor and not IMAGE.match(image):
                yield f"{name}: image {image!r} is no image by name and tag or digest"

    def _task(self, dag: Spec, task: Spec) -> Iterator[str]:
        tasks, name = dag["dag"]["tasks"], task["componentRef"]["name"]
        if name not in self._components:
            yield f"component {name} is not there"
            return
        wanted = self._components[name].get("inputDefinitions", {})
        before = task.get("dependentTasks", [])
        yield from (f"comes after {other}, which is not there" for other in before if other not in tasks)
        given = task.get("inputs", {})
        iterated = _iterated(task)
        yield from self._resources(dag, name, before, given.get("parameters", {}))
        for kind in ("parameters", "artifacts"):
            definitions, inputs = wanted.get(kind, {}), given.get(kind, {})
            for port in sorted(inputs.keys() - definitions.keys() - self._read(name, inputs)):
                yield f"{kind} {port}: component {name} has no such input"
            for port, definition in definitions.items():
                optional = definition.get("isOptional") or "defaultValue" in definition or port == iterated
                if port not in inputs and not optional:
                    yield f"{kind} {port}: is given nothing"
            for port in sorted(inputs.keys() & definitions.keys()):
                source = inputs[port]
                yield from (
                    f"{kind} {port}: {fault}"
                    for fault in self._input(dag, before, source, definitions[port], kind == "artifacts")
                )
        if iterated and (items := task["parameterIterator"]["items"].get("inputParameter")) is not None:
            if items not in given.get("parameters", {}):
                yield f"loops over {items}, which it is not given"
            if iterated not in wanted.get("parameters", {}):
                yield f"loops by {iterated}, which component {name} does not take"

    def _read(self, component: str, inputs: Spec) -> set[str]:
        """Inputs that the resources of a component's container read, and those by which kfp tells the resources."""
        executor = self._executors.get(self._components[component].get("executorLabel", ""), {})
        read = set(READ.findall(json.dumps(executor.get("container", {}).get("resources", {}))))
        for port, source in inputs.items():
            found = READ.fullmatch(str(source.get("runtimeValue", {}).get("constant", "")))
            if found and found[1] in read:
                read.add(port)
        return read

    def _resources(self, dag: Spec, component: str, before: list[str], inputs: Spec) -> Iterator[str]:
        for port in sorted(self._read(component, inputs)):
            if port not in inputs:
                yield f"resources read {port}, which it is not given"
            else:
                faults = self._input(dag, before, inputs[port], TEXT, artifact=False)
                yield from (f"parameters {port}: {fault}" for fault in faults)

    def _input(self, dag: Spec, before: list[str], source: Spec, wanted: Spec, artifact: bool) -> Iterator[str]:
        if "runtimeValue" in source:
            return
        inside = "taskOutputArtifact" if artifact else "taskOutputParameter"
        outside = "componentInputArtifact" if artifact else "componentInputParameter"
        kind = "artifacts" if artifact else "parameters"
        if inside in source:
            producer = source[inside]["producerTask"]
            key = source[inside]["outputArtifactKey" if artifact else "outputParameterKey"]
            if producer not in before:
                yield f"reads {key} of {producer}, but does not come after it"
            found = self._output(dag, producer, key, kind)
            what = f"{key} of {producer}"
        elif outside in source:
            key = source[outside]
            found = dag.get("inputDefinitions", {}).get(kind, {}).get(key)
            what = key
        else:
            yield f"has a source of no known kind: {sorted(source)}"
            return
        if found is None:
            yield f"reads {what}, which is not there"
        elif "parameterExpressionSelector" not in source and not str(key).endswith(ITEM):
            yield from _unlike(what, found, wanted, artifact)

    def _output(self, dag: Spec, task: str, key: str, kind: str) -> Spec | None:
        component = dag["dag"]["tasks"].get(task, {}).get("componentRef", {}).get("name")
        return self._components.get(component, {}).get("outputDefinitions", {}).get(kind, {}).get(key)

    def _outputs(self, component: Spec) -> Iterator[str]:
        chosen, promised = component["dag"].get("outputs", {}), component.get("outputDefinitions", {})
        for kind in ("artifacts", "parameters"):
            yield from (
                f"{name}: comes from nowhere" for name in promised.get(kind, {}).keys() - chosen.get(kind, {}).keys()
            )
        for name, selection in chosen.get("artifacts", {}).items():
            for selector in selection["artifactSelectors"]:
                task, key = selector["producerSubtask"], selector["outputArtifactKey"]
                found = self._output(component, task, key, "artifacts")
                if found is None:
                    yield f"{name}: is {key} of {task}, which is not there"
                    continue
                wanted = promised.get("artifacts", {}).get(name, found)
                looped = {**found, "isArtifactList": wanted.get("isArtifactList", False)}  # each round gives one
                yield from (f"{name}: {fault}" for fault in _unlike(f"{key} of {task}", looped, wanted, True))
        for name, selection in chosen.get("parameters", {}).items():
            value = selection.get("valueFromParameter", {})
            if value and self._output(
                component, value["producerSubtask"], value["outputParameterKey"], "parameters"
            ) is None:  # fmt: skip
                yield f"{name}: is {value['outputParameterKey']} of {value['producerSubtask']}, which is not there"


def _iterated(task: Spec) -> str | None:
    return task.get("parameterIterator", {}).get("itemInput")


def _unlike(what: str, found: Spec, wanted: Spec, artifact: bool) -> Iterator[str]:
    if not artifact:
        if found["parameterType"] != wanted["parameterType"]:
            yield f"wants {wanted['parameterType']}, and {what} is {found['parameterType']}"
        return
    titles = [definition["artifactType"]["schemaTitle"] for definition in (found, wanted)]
    if titles[0] != titles[1] and titles[1] != ANY_ARTIFACT:
        yield f"wants {titles[1]}, and {what} is {titles[0]}"
    if found.get("isArtifactList", False) != wanted.get("isArtifactList", False):
        yield f"wants {'many' if wanted.get('isArtifactList') else 'one'}, and {what} is not"
