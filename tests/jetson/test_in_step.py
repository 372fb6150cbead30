"""What the runtime must have over again, since it stands alone, says the same as the project."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "src/speech_emotion/inference"
RUNTIME = ROOT / "jetson/src/speech_emotion_jetson"


def _constants(path: Path) -> dict[str, str]:
    """NAME -> its expression, of a module's plain assignments in capitals."""
    found = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                found |= {name.id: ast.unparse(node.value) for name in names if name.id.isupper()}
    return found


def _class(path: Path, name: str) -> str:
    tree = ast.parse(path.read_text())
    return ast.dump(next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name))


def test_the_measures_of_sound_are_one_text():
    assert (RUNTIME / "measures.py").read_text() == (PROJECT / "measures.py").read_text()


def test_waveforms_are_cut_into_windows_alike():
    assert _class(RUNTIME / "streaming.py", "Cutter") == _class(PROJECT / "streaming.py", "Cutter")


@pytest.mark.parametrize("module", ["likeness.py"])
def test_constants_of_the_same_name_have_the_same_value(module):
    project, runtime = _constants(PROJECT / module), _constants(RUNTIME / module)
    assert project
    assert {name: runtime.get(name) for name in project} == project
