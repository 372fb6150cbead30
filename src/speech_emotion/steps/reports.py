"""A step's results as artifacts for Kubeflow's pages: metrics, a confusion matrix, HTML and Markdown."""

import base64
import json
import mimetypes
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from markdown_it import MarkdownIt

from speech_emotion.evaluation.metrics import METRICS, PRIMARY
from speech_emotion.reporting.rendering import render, table
from speech_emotion.store.atomic import write_text

SHOWN = 200  # number of rejected files on a page
HEADLINE = "headline.json"

Folders = Mapping[str, Path]
Reports = Mapping[str, Any]


def write_reports(step: str, folders: Folders, reports: Reports) -> None:
    """Writes the report artifacts of a step.

    Args:
        step: name of the step.
        folders: output port -> folder with the step's output.
        reports: name -> artifact of Kubeflow (a path, and methods that log); empty for steps without reports.
    """
    if reports:
        WRITERS[step](folders, reports)


def page(markdown: str, folder: Path, title: str) -> str:
    """Renders Markdown as a self-contained HTML page with embedded pictures.

    Args:
        markdown: the text.
        folder: folder of the pictures.
        title: title of the page.
    """
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    body = re.sub(r'src="([^":]+)"', lambda found: _embedded(folder, found[1]), body)
    return render("page.html.j2", title=title, body=body)


def _embedded(folder: Path, name: str) -> str:
    kind = mimetypes.guess_type(name)[0]
    return f'src="data:{kind};base64,{base64.b64encode((folder / name).read_bytes()).decode()}"'


def log_metrics(artifact: Any, values: Mapping[str, float]) -> None:
    """Logs numbers for the page, and writes them to the artifact's file, which local runs need for their cache."""
    for name, value in values.items():
        artifact.log_metric(name, value)
    write_text(artifact.path, json.dumps(dict(values), indent=1) + "\n")


def model_address(name: str, version: int) -> str:
    """Returns MLflow's address of a version of a registered model."""
    return f"models:/{name}/{version}"


def _ingest(folders: Folders, reports: Reports) -> None:
    folder = folders["utterances"]
    text = (folder / "report.md").read_text(encoding="utf-8")
    rejected = pd.read_csv(folder / "rejected.csv", dtype=str, keep_default_na=False)
    if len(rejected):
        text += "\n" + table(list(rejected.columns), rejected.head(SHOWN).to_numpy().tolist(), ()) + "\n"
    write_text(reports["report"].path, text)


def _tune(folders: Folders, reports: Reports) -> None:
    folder = folders["best"]
    best = json.loads((folder / "best.json").read_text(encoding="utf-8"))
    found = {fold: json.dumps(values, sort_keys=True) for fold, values in best.items()}
    text = render("search.md.j2", best=found)
    write_text(reports["report"].path, page(text, folder, "Search"))


def _train(folders: Folders, reports: Reports) -> None:
    record = json.loads((folders["trained"] / "units.json").read_text(encoding="utf-8"))
    figures = pd.Series([unit["ua"] for unit in record["units"].values()])
    values = {"ua_mean_of_units": round(float(figures.mean()), 2), "units": len(figures)}
    log_metrics(reports["metrics"], {**values, "parameters": record["parameters"]})


def _evaluate(folders: Folders, reports: Reports) -> None:
    folder = folders["evaluation"]
    headline = json.loads((folder / HEADLINE).read_text(encoding="utf-8"))
    log_metrics(
        reports["metrics"], {f"{system}_{name}": value for system, of in headline.items() for name, value in of.items()}
    )
    best = max(headline, key=lambda system: headline[system][PRIMARY])
    labels = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["labels"]
    _confusion(folder / "confusion" / f"{best}.csv", labels, reports["confusion"])
    text = (folder / "report.md").read_text(encoding="utf-8")
    write_text(reports["table"].path, _without_pictures(text))
    write_text(reports["report"].path, page(text, folder, "Systems side by side"))


def _confusion(file: Path, labels: list[str], artifact: Any) -> None:
    rows = pd.read_csv(file, dtype=str, keep_default_na=False)  # an emotion may be called "none"
    matrix = pd.crosstab(rows["actual"], rows["predicted"]).reindex(index=labels, columns=labels, fill_value=0)
    artifact.log_confusion_matrix(labels, matrix.to_numpy().tolist())
    write_text(artifact.path, matrix.to_csv(lineterminator="\n"))


def _without_pictures(markdown: str) -> str:
    return re.sub(r"^!\[.*\n?", "", markdown, flags=re.MULTILINE)


def _select(folders: Folders, reports: Reports) -> None:
    chosen = json.loads((folders["selected"] / "best.json").read_text(encoding="utf-8"))
    values = chosen | {"metric": METRICS[chosen["metric"]]}
    write_text(reports["choice"].path, render("choice.md.j2", **values))


def _export(folders: Folders, reports: Reports) -> None:
    folder = folders["exported"]
    check = json.loads((folder / "check.json").read_text(encoding="utf-8"))
    values = {
        f"{form}_{name}": check[form][name]
        for form in ("fp32", "int8")
        for name in ("max_difference", "agreement", "bytes")
        if form in check
    }
    log_metrics(reports["metrics"], values)
    card = folder / "MODEL_CARD.md"
    nothing = render("nothing.md.j2", verb="export", reason=check["deployable"])
    write_text(reports["card"].path, card.read_text(encoding="utf-8") if card.is_file() else nothing)


def _register(folders: Folders, reports: Reports) -> None:
    record = json.loads((folders["registered"] / "registered.json").read_text(encoding="utf-8"))
    if record["version"] is None:
        text = render("nothing.md.j2", verb="register", reason=record["reason"])
        write_text(reports["decision"].path, text)
        return
    model = model_address(record["model"], record["version"])
    values = {name: record[name] for name in ("alias", "reason", "facts")}
    write_text(reports["decision"].path, render("decision.md.j2", model=model, **values))
    reports["decision"].metadata.update(model=model, alias=record["alias"])


WRITERS: dict[str, Callable[[Folders, Reports], None]] = {
    "ingest": _ingest,
    "tune": _tune,
    "train": _train,
    "evaluate": _evaluate,
    "select": _select,
    "export": _export,
    "register": _register,
}
