"""What is installed without a checkout, in an image say, has its data files."""

import tomllib
from pathlib import Path

TOP = Path(__file__).parents[1]


def test_every_file_that_is_no_code_is_declared():
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    source = TOP / "src"
    declared = {
        path
        for package, patterns in project["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
        for path in source.joinpath(*package.split(".")).glob(pattern)
    }
    files = {path for path in (source / "speech_emotion").rglob("*") if path.is_file()}
    data = {path for path in files if path.suffix not in (".py", ".pyc")}
    assert data == {path for path in declared if path.suffix != ".py" and path.is_file()}
