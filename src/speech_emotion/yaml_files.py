"""Reads YAML as people and DVC write it: params, protocols and claims."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from speech_emotion.errors import UserError

EXPONENT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+")


class _Loader(yaml.SafeLoader):
    """Reads only plain values, refuses duplicate keys, and takes 1e-05 as a number.

    The library reads YAML 1.1, where 1e-05 is text; DVC writes 1.2 (`dvc exp run -S systems.t1.learning_rate=1e-5`).
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.value != "<<":
                if key_node.value in keys:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {key_node.value} occurs twice: keep one", key_node.start_mark
                    )
                keys.add(key_node.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(f"^(?:{EXPONENT.pattern})$"), list("-+.0123456789"))


def parse_yaml(text: str) -> Any:
    """The value of a YAML text.

    Raises:
        ValueError: it is not YAML, or a key occurs twice; the message is one line.
    """
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    except yaml.YAMLError as error:
        raise ValueError(str(error).replace("\n", " ")) from None
    finally:
        loader.dispose()


def read_yaml(path: Path) -> Any:
    """The value of a YAML file.

    Raises:
        FileNotFoundError: it does not exist.
        UserError: it is not YAML or not UTF-8, or a key occurs twice.
    """
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 (byte {error.start}): save it as UTF-8") from None
    except ValueError as error:
        raise UserError(f"{path}: not YAML: {error}") from None
