"""Names of loops that stay apart when pipelines are put into pipelines."""

from google.protobuf.json_format import MessageToDict, ParseDict
from kfp.dsl.base_component import BaseComponent

LOOP = "comp-for-loop-"


def with_own_loops(pipeline: BaseComponent) -> BaseComponent:
    """A pipeline whose loops bear its name.

    kfp calls the first loop of every pipeline comp-for-loop-1 and tells those of several levels apart while it goes
    through a protobuf map. That order differs from process to process, and in some the references no longer fit.
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
