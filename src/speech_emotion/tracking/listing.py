"""The registered model as text for a terminal."""

from speech_emotion.tracking.versions import REASON, State, Version

HEADINGS = ("version", "alias", "system", "UA %", "corpus", "protocol", "data", "why")
NUMBERS = ("version", "UA %")


def describe(name: str, state: State) -> str:
    """One line for each version, newest first; then the changes of the champion, with their reasons.

    Args:
        name: of the registered model.
        state: its versions and history.
    """
    if not state.versions:
        return f"{name}: nothing is registered yet: run make run (dvc repro) first"
    rows = [HEADINGS, *(_cells(version) for version in reversed(state.versions))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [f"models:/{name}", ""]
    for row in rows:
        cells = [
            cell.rjust(width) if heading in NUMBERS else cell.ljust(width)
            for heading, cell, width in zip(HEADINGS, row, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    lines += ["", "Champions, newest first"]
    for event in reversed(state.history):
        before = "none" if event.before is None else f"version {event.before}"
        lines.append(
            f"  {event.at}  version {event.champion} {event.how} by {event.by}; before: {before}: {event.reason}"
        )
    return "\n".join(lines)


def _cells(version: Version) -> tuple[str, ...]:
    tags = version.tags
    corpus = tags.get("corpus", "-") + (" (synthetic)" if tags.get("synthetic") == "true" else "")
    return (
        str(version.number),
        ", ".join(version.aliases) or "-",
        tags.get("system", "-"),
        tags.get("ua", "-"),
        corpus,
        tags.get("protocol", "-"),
        tags.get("data", "-")[:8],
        tags.get(REASON, "-"),
    )
