"""Renders the documents in templates/ (Jinja2) from plain data.

What a user or a corpus names (emotions, speakers, files, reasons) may hold any character: in Markdown, templates write
it through the filter `cell`, or `code` for a code span. Templates of HTML escape by themselves.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

MACROS = "macros.md.j2"
SPECIAL = re.compile(r"[\\`*\[\]<|]|(?<![^\W_])_|_(?![^\W_])")  # an underscore within a word is a plain character


def cell(value: object) -> str:
    """Text on one line that Markdown shows as it stands, in a table's cell too."""
    return SPECIAL.sub(r"\\\g<0>", _one_line(value))


def code(value: object) -> str:
    """A code span for a table's cell; its fence is longer than any run of backticks in the text."""
    text = _one_line(value).replace("|", "\\|")
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    blank = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{fence}{blank}{text}{blank}{fence}"


def number(value: float | None, form: str = ".1f") -> str:
    """A number in a format of Python, by default with one decimal, as percents have; "-" for None."""
    return "-" if value is None else format(value, form)


def percent(value: float | None) -> str:
    """A figure in percent with its unit; "-" for None."""
    return "-" if value is None else f"{value:.1f} %"


def count(number: int, noun: str) -> str:
    """1 fold, 2 folds."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def p_value(value: float) -> str:
    """A p-value to three decimals."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def interval(figures: Mapping[str, Any]) -> str:
    """The bootstrap interval of UA, in percent; "-" where one speaker was tested, of whom there is none."""
    return f"{figures['ua_low']:.1f} to {figures['ua_high']:.1f}" if "ua_low" in figures else "-"


def render(template: str, /, **values: Any) -> str:
    """A document.

    Args:
        template: name of a file in templates/.
        values: what it is made of.

    Raises:
        jinja2.UndefinedError: the template names a value that is not there.
    """
    return _ENVIRONMENT.get_template(template).render(values)


def table(header: Sequence[str], rows: Iterable[Sequence[object]], numbers: Iterable[int]) -> str:
    """A Markdown table without a line break at its end.

    Args:
        header: headings of the columns.
        rows: cells, escaped here.
        numbers: columns, from 0, that are set to the right.
    """
    return str(_ENVIRONMENT.get_template(MACROS).module.table(header, rows, set(numbers))).rstrip("\n")


def _one_line(value: object) -> str:
    return " ".join(str(value).splitlines())


_ENVIRONMENT = Environment(
    loader=PackageLoader(__package__),
    autoescape=select_autoescape(["html.j2"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters |= {each.__name__: each for each in (cell, code, number, percent, count, p_value, interval)}
