"""Checks plain values from YAML or JSON and turns them into typed sections; each fault is a line with key and cure."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from speech_emotion.errors import UserError


class Section(BaseModel):
    """A section of a file: unknown keys are refused, and values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def check(model: type[Section], raw: dict[str, Any], file: str, prefix: str = "") -> Any:
    """Builds a section from plain values.

    Args:
        model: class of the section.
        raw: its values.
        file: name of the file, for messages.
        prefix: key of the section within the file, for messages.

    Raises:
        UserError: one line for each fault, `file: key = value: cure`.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        lines = [_fault(fault, file, prefix) for fault in error.errors()]
        raise UserError("\n".join(lines)) from None


def _fault(fault: dict[str, Any], file: str, prefix: str) -> str:
    key = ".".join(part for part in (prefix, *map(str, fault["loc"])) if part)
    kind, limits = fault["type"], fault.get("ctx", {})
    if kind == "value_error":
        text = str(limits["error"])
        where = f"{key}: " if key else ""
        return f"{file}: {where}{text}"
    if kind == "missing":
        return f"{file}: {key}: is missing: add it"
    if kind == "extra_forbidden":
        return f"{file}: {key} = {fault['input']!r}: is not a known key: remove it or check the spelling"
    wording = {
        "greater_than_equal": "must be at least {ge}",
        "greater_than": "must be above {gt}",
        "less_than_equal": "must be at most {le}",
        "less_than": "must be below {lt}",
        "literal_error": "must be one of {expected}",
        "string_pattern_mismatch": "must match {pattern}",
        "finite_number": "must be a finite number",
        "too_short": "must have at least {min_length} values",
        "too_long": "must have at most {max_length} values",
    }
    if kind in wording:
        cure = wording[kind].format(**limits)
    elif kind.endswith(("_type", "_parsing", "_from_float")):
        cure = "must be " + {
            "int": "a whole number",
            "float": "a number",
            "bool": "true or false",
            "string": "a text",
        }.get(kind.split("_")[0], fault["msg"].removeprefix("Input should be "))
    else:
        cure = fault["msg"]
    return f"{file}: {key} = {fault['input']!r}: {cure}"


def part_of(raw: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """The values of the given keys, e.g. "train" and "systems.k2", nested as in params.yaml."""
    part: dict[str, Any] = {}
    for key in keys:
        *above, last = key.split(".")
        source, target = raw, part
        for name in above:
            source, target = source[name], target.setdefault(name, {})
        target[last] = source[last]
    return part


def narrowed(model: type[Section], raw: dict[str, Any]) -> type[Section]:
    """`model` reduced to the keys of `raw`; a complete nested section keeps its own class, with all its checks."""
    fields = {}
    for name in raw.keys() & model.model_fields.keys():
        field = model.model_fields[name]
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section) and isinstance(raw[name], dict):
            needed = {key for key, value in kind.model_fields.items() if value.is_required()}
            kind = kind if needed <= raw[name].keys() else narrowed(kind, raw[name])
        fields[name] = (kind, field)
    return create_model(model.__name__, __base__=Section, **fields)
