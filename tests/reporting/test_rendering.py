"""Documents are complete, and no name breaks one."""

import html
import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from markdown_it import MarkdownIt

from speech_emotion.reporting import rendering
from speech_emotion.reporting.rendering import interval, number, render, table

TOP = Path(__file__).parents[2]
TEMPLATES = sorted((TOP / "src/speech_emotion/reporting/templates").iterdir())
NAMES = [
    "a|b", "a\\|b", "`tick", "a``b`", "*loud*", "_quiet_", "__init__", "in_word", "<b>bold</b>", "[text](address)",
    "![](picture)", "C:\\folder", "None", "Wut",
]  # fmt: skip


def cells(markdown: str) -> list[list[str]]:
    """The text of each cell of the table, as displayed on a page."""
    page = MarkdownIt("commonmark").enable("table").render(markdown)
    rows = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in page.split("<tr>")[1:]]
    return [[html.unescape(re.sub(r"</?code>", "", cell)) for cell in row] for row in rows]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_any_characters_is_shown_unchanged_in_one_cell(name):
    assert cells(table(["emotion", name], [[name, 1], ["fear", name]], ())) == [
        ["emotion", name],
        [name, "1"],
        ["fear", name],
    ]


# in a table, Markdown cannot express code with a backslash before a bar
@pytest.mark.parametrize("name", [name for name in NAMES if "\\|" not in name])
def test_code_in_a_cell_shows_any_characters(name):
    assert cells(f"| {rendering.code(name)} | b |\n| --- | --- |\n") == [[name, "b"]]


def test_line_breaks_become_blanks():
    assert cells(table(["a\nb"], [["c\r\nd"]], ())) == [["a b"], ["c d"]]


def test_columns_of_numbers_are_aligned_right():
    assert table(["a", "b"], [["x", "1"]], (1,)) == "| a | b |\n| --- | --: |\n| x | 1 |"


def test_a_missing_value_is_an_error():
    with pytest.raises(UndefinedError, match="'reason' is undefined"):
        render("nothing.md.j2", verb="export")


def test_html_is_escaped_automatically():
    assert "<title>&lt;b&gt;</title>" in render("page.html.j2", title="<b>", body="")


def test_numbers_have_one_decimal_by_default_and_none_is_a_dash():
    assert (number(61.25), number(1e-7, ".1e"), number(None)) == ("61.2", "1.0e-07", "-")
    assert interval({"ua": 60.0, "ua_low": 55.02, "ua_high": 65.0}) == "55.0 to 65.0"
    assert interval({"ua": 60.0}) == "-"


def test_every_template_is_used():
    sources = [*TOP.glob("src/**/*.py"), *TOP.glob("components/*.py"), *TEMPLATES]
    texts = "".join(path.read_text(encoding="utf-8") for path in sources)
    assert [path.name for path in TEMPLATES if f'"{path.name}"' not in texts] == []
