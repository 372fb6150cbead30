"""Unique names for the loops of nested pipelines."""

from google.protobuf.json_format import MessageToDict, ParseDict
from kfp.dsl.base_component import BaseComponent

LOOP = "comp-for-loop-"


def with_own_loops(pipeline: BaseComponent) -> BaseComponent:
    """Adds the pipeline's name to the names of its loops, and returns it.

    kfp calls the first loop of every pipeline comp-for-loop-1 and renames duplicates of nested pipelines in the order
    of a protobuf map. That order differs between processes, and in some of them references then point to the wrong
    loop.
    """
    spec = MessageToDict(pipeline.pipeline_spec)
    own = {name: f"comp-{pipeline.name}-{name.removeprefix('comp-')}" for name in _loops(spec)}
    for component in (spec["root"], *spec["components"].values()):
        for task in component.get("dag", {}).get("tasks", {}).values():
            task["componentRef"]["name"] = own.get(task["componentRef"]["name"], task["componentRef"]["name"])
    spec["components"] = {own.get(name, name): component for name, component in spec["components"].items()}
    pipeline.pipeline_spec.CopyFrom(ParseDict(spec, type(pipeline.pipeline_spec)()))
    return pipeline


def _loops(spec: dict) -> list[str]:
    return [name for name in spec["components"] if name.startswith(LOOP)]
