"""Pieces of Markdown that reports and cards share."""

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int]) -> str:
    """A table; the columns of these numbers, from 0, are set to the right."""
    right = set(numbers)
    lines = [header, ["--:" if column in right else "---" for column in range(len(header))], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def count(number: int, noun: str) -> str:
    """1 fold, 2 folds."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
