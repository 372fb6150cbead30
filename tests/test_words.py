"""Plain English: none of the words in words_to_avoid.txt stands in code, docs, templates or settings."""

import re
import subprocess
from pathlib import Path

TOP = Path(__file__).parents[1]
LIST = Path(__file__).with_name("words_to_avoid.txt")
KINDS = (".py", ".md", ".j2", ".yaml", ".yml", ".html", ".js", ".css", ".sh", ".toml", ".txt", ".svg", "Makefile")
OWN = ("tests/words_to_avoid.txt", "tests/test_words.py")


def words() -> dict[re.Pattern, str]:
    """Pattern -> what to write instead."""
    lines = [line for line in LIST.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return {re.compile(pattern, re.IGNORECASE): cure for pattern, cure in (line.split(" => ") for line in lines)}


def faults(name: str, text: str) -> list[str]:
    return [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]!r}: write instead: {cure}"
        for pattern, cure in words().items()
        for match in pattern.finditer(text)
    ]


def test_a_word_of_the_list_is_found_with_its_line_and_cure():
    assert faults("a.py", "fine\nwhoever mends it") == [
        "a.py:2: 'mends': write instead: fix, correct, repair",
        "a.py:2: 'whoever': write instead: anyone who, or name who",
    ]


def test_no_text_of_the_project_holds_a_word_to_avoid():
    listed = subprocess.run(["git", "ls-files"], cwd=TOP, capture_output=True, text=True, check=True).stdout.split("\n")
    names = [name for name in listed if name.endswith(KINDS) or name.startswith((".ci/", "mlflow/"))]
    assert len(names) > 400
    found = [
        fault
        for name in names
        if name not in OWN and (TOP / name).is_file()
        for fault in faults(name, (TOP / name).read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)
