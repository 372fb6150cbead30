"""Hashes of files, of JSON values and of Python code."""

import ast
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def sha256_file(path: Path | str) -> str:
    """Hex sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value: Any) -> str:
    """The canonical text of a JSON value: sorted keys, no spaces. Raises ValueError on NaN and infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def hash_json(value: Any) -> str:
    """Hex sha256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def hash_code(paths: Iterable[Path | str]) -> str:
    """Hex sha256 of Python files as the interpreter sees them: without comments, docstrings and layout.

    The order of `paths` does not matter. File names count, their folders do not.
    """
    parts = []
    for path in map(Path, paths):
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0] if node.body else None
                if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                    node.body = node.body[1:]
        parts.append([path.name, hashlib.sha256(ast.dump(tree).encode()).hexdigest()])
    return hash_json(sorted(parts))
