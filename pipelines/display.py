"""What a run on this machine shows: which steps start, end and are skipped, and their output."""

import re
from typing import TextIO

COLOUR = re.compile(r"\x1b\[\d+m")
# kfp's own output: its executor, JSON, separators, and values passed between tasks
NOISE = re.compile(
    r"^\s*(\[KFP Executor|[\[\]{}\"]|-{20}|Cleaned up workspace"
    r"|(Applying|After) expression selector|$)"
)
STARTED = re.compile(r"Executing task '([^']+)'")
ENDED = re.compile(r"Task '([^']+)' finished with status (\w+)")
CACHED = re.compile(r"Task (\S+) cache hit")
RETRIED = re.compile(r"Task (\S+) failed \(attempt (\d+)/(\d+)\)")
STAMP = re.compile(r"^[\d:.]+ - [A-Z]+ - ")
OWN = (" outputs:", "has no outputs", "Streamed logs", "Running pipeline", "Pipeline '", "Skipping task")
ERROR = "error: "


class Display:
    """A stream that shows a short form of kfp's output and writes all of it to a log.

    Args:
        shown: receives the short form.
        log: receives everything.

    Attributes:
        errors: messages of failed steps, in order, each once.
    """

    def __init__(self, shown: TextIO, log: TextIO):
        self._shown, self._log = shown, log
        self.errors: list[str] = []

    def write(self, text: str) -> int:
        self._log.write(COLOUR.sub("", text))
        plain = COLOUR.sub("", text)
        if any(own in plain for own in OWN):  # one record of many lines
            return len(text)
        for line in plain.splitlines():
            self._line(STAMP.sub("", line.strip()))
        return len(text)

    def flush(self) -> None:
        self._log.flush()
        self._shown.flush()

    def _line(self, line: str) -> None:
        if found := STARTED.search(line):
            shown = f"{found[1]}: started"
        elif found := ENDED.search(line):
            shown = f"{found[1]}: {'done' if found[2] == 'SUCCESS' else 'failed'}"
        elif found := CACHED.search(line):
            shown = f"{found[1]}: found from an earlier run"
        elif found := RETRIED.search(line):
            shown = f"{found[1]}: failed, attempt {found[2]} of {found[3]}; tried again"
        elif NOISE.search(line):
            return
        else:
            shown = f"    {line}"
            if line.startswith(ERROR) and line.removeprefix(ERROR) not in self.errors:
                self.errors.append(line.removeprefix(ERROR))
        self._shown.write(shown + "\n")
        self._shown.flush()
