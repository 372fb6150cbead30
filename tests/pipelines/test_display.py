import io

import pytest

from pipelines.display import Display


@pytest.fixture
def said():
    """Writes to a display; returns what is shown, the full log, and the remembered errors."""

    def write(*texts: str) -> tuple[list[str], str, list[str]]:
        shown, log = io.StringIO(), io.StringIO()
        display = Display(shown, log)
        for text in texts:
            display.write(text)
        return shown.getvalue().splitlines(), log.getvalue(), display.errors

    return write


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("14:32:16.871 - INFO - Executing task \x1b[96m'train'\x1b[0m\n", ["train: started"]),
        ("14:32:16.871 - INFO - Task 'train' finished with status \x1b[92mSUCCESS\x1b[0m\n", ["train: done"]),
        ("14:32:16.871 - INFO - Task 'train' finished with status FAILURE\n", ["train: failed"]),
        ("Task train cache hit (key=76b17ba083e5); skipping execution.\n", ["train: found from an earlier run"]),
        (
            "Task train failed (attempt 1/3). Retrying in 0.0s...\n",
            ["train: failed, attempt 1 of 3; tried again"],
        ),
        ("        t2 fold 03 seed 0: UA 76.8\n", ["    t2 fold 03 seed 0: UA 76.8"]),
        ("[KFP Executor 2026-11-20 14:32:16,971 INFO]: Got executor_input:\n", []),
        ('    "inputs": {\n', []),
        ("    }\n", []),
        ("14:32:17.012 - INFO - Task 'plan' outputs:\n    ingest: '{}'\n    parts: []\n", []),
        ("-" * 80 + "\n", []),
        ("    ", []),
    ],
)
def test_kfps_output_is_shortened(said, text, expected):
    assert said(text)[0] == expected


def test_the_log_holds_everything_without_colours(said):
    assert said("\x1b[96m'train'\x1b[0m\n", '    "inputs": {\n')[1] == "'train'\n    \"inputs\": {\n"


def test_an_error_of_a_failed_step_is_remembered_once(said):
    line = "    error: data/mine: no file can be used\n"
    shown, _, errors = said(line, line)
    assert errors == ["data/mine: no file can be used"]
    assert len(shown) == 2
