"""Renders the documents in templates/ (Jinja2) from plain data.

Names from users and corpora (emotions, speakers, files, reasons) may contain any character: in Markdown, templates pass
them through the filter `cell`, or `code` for a code span. In HTML templates, escaping is automatic.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

MACROS = "macros.md.j2"
SPECIAL = re.compile(r"[\\`*\[\]<|]|(?<![^\W_])_|_(?![^\W_])")  # an underscore within a word is a plain character


def cell(value: object) -> str:
    """The value as one line of text, escaped so that Markdown shows it unchanged, also in a cell of a table."""
    return SPECIAL.sub(r"\\\g<0>", _one_line(value))


def code(value: object) -> str:
    """The value as a code span for a cell of a table; its fence is longer than any run of backticks in the text."""
    text = _one_line(value).replace("|", "\\|")
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    blank = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{fence}{blank}{text}{blank}{fence}"


def number(value: float | None, form: str = ".1f") -> str:
    """A number in a Python format, by default with one decimal; "-" for None."""
    return "-" if value is None else format(value, form)


def percent(value: float | None) -> str:
    """A figure in percent with its unit; "-" for None."""
    return "-" if value is None else f"{value:.1f} %"


def count(number: int, noun: str) -> str:
    """A number with its noun: 1 fold, 2 folds."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def p_value(value: float) -> str:
    """A p-value to three decimals."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def interval(figures: Mapping[str, Any]) -> str:
    """The bootstrap interval of UA, in percent; "-" if only one speaker was tested, since there is no interval then.

    Args:
        figures: of one system, as in metrics.json.
    """
    return f"{figures['ua_low']:.1f} to {figures['ua_high']:.1f}" if "ua_low" in figures else "-"


def render(template: str, /, **values: Any) -> str:
    """Renders a document.

    Args:
        template: name of a file in templates/.
        values: the template's variables.

    Raises:
        jinja2.UndefinedError: a variable of the template is missing.
    """
    return _ENVIRONMENT.get_template(template).render(values)


def table(header: Sequence[str], rows: Iterable[Sequence[object]], numbers: Iterable[int]) -> str:
    """A Markdown table, without a line break at the end.

    Args:
        header: headings of the columns.
        rows: cells, which this function escapes.
        numbers: indices of the columns, from 0, that are aligned right.
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
