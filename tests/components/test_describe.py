from pathlib import Path

import pytest

from components import describe

NAMES = describe.names()


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_of_a_component_is_up_to_date(name):
    path = describe.COMPONENTS / name / "README.md"
    assert path.read_text(encoding="utf-8") == describe.readme(name), "run make graph"


def test_lines_above_the_mark_are_kept_and_the_ports_are_updated(tmp_path, monkeypatch):
    monkeypatch.setattr(describe, "COMPONENTS", tmp_path)
    monkeypatch.setattr(describe, "names", lambda: ["ingest"])
    path = Path(tmp_path / "ingest" / "README.md")
    path.parent.mkdir()
    path.write_text(f"# ingest\nWritten by hand.\n\n{describe.MARK}\n| port |\n")
    assert describe.main([]) == 1
    assert describe.main(["--write"]) == 0
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# ingest\nWritten by hand.\n\n{describe.MARK}\n")
    assert "| `utterances` | out | Dataset | The table, the rejected files, and statistics of both. |" in text
    assert describe.main([]) == 0
