"""The experiment on MLflow's pages: its description and prepared views of its runs.

A view is what the pages store when a user presses *Share*: filter, order and columns under a key. It is opened by
`#/experiments/<id>/runs?viewStateShareKey=<key>`. `workflowType` selects the pages for trained models.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from speech_emotion.evaluation.metrics import PRIMARY, headline
from speech_emotion.tracking.connection import Store
from speech_emotion.tracking.tags import KIND, LIVE, PROGRESS

SYSTEMS, TRAINING = "systems", "training"
PAGE = "#/experiments/{id}/runs?workflowType=machine_learning&compareRunsMode={mode}&viewStateShareKey={view}"
MODES = {SYSTEMS: "TABLE", TRAINING: "CHART"}  # how a view opens
BY_EPOCH = ("LINE", ("valid_ua", "valid_loss", "loss"))
ABOUT = (
    "Speech emotion recognisers, compared on speakers that they were not trained on. "
    "[Which system is better]({systems}) · [what is being trained]({training}) · `docs/tracking.md` says more."
)


def columns() -> dict[str, tuple[str, str, list[str]]]:
    """View -> filter, order, columns."""
    others = [metric.key for metric in headline() if metric.key != PRIMARY]
    figures = (*(f"{PRIMARY}{end}" for end in ("", "_low", "_high", "_fold_std")), *others)
    return {
        SYSTEMS: (
            f"tags.{KIND} = 'system'",
            f"metrics.`{PRIMARY}`",
            [
                *(f"metrics.`{name}`" for name in (*figures, "seconds")),
                *(f"params.`{name}`" for name in ("system", "protocol", "folds", "seeds", "parameters")),
                *(f"tags.`{name}`" for name in ("deployable", "speaker_independent", "synthetic")),
            ],
        ),
        TRAINING: (
            f"tags.{LIVE} = 'true' and tags.{KIND} = 'unit'",
            "metrics.`valid_ua`",  # in order of date, the pages would hide the units under their system
            [
                f"tags.`{PROGRESS}`",
                *(f"metrics.`{name}`" for name in ("valid_ua", "valid_loss", "loss")),
                "metrics.`system/process_cpu_percentage`",
            ],
        ),
    }


def charts() -> dict[str, dict[str, tuple[str, Sequence[str]]]]:
    """View -> section -> kind of chart, metrics or pictures."""
    return {
        SYSTEMS: {
            "Which is better": ("BAR", [metric.key for metric in headline()]),
            "Confusion": ("IMAGE", ("confusion",)),
            "By epoch, mean over folds and seeds": BY_EPOCH,
        },
        TRAINING: {"By epoch": BY_EPOCH},
    }


def present(store: Store) -> None:
    """Writes the experiment's description and views."""
    tags = {MLFLOW_RUN_NOTE: ABOUT.format(**{view: _page(store, view) for view in MODES})}
    for key, (wanted, order, shown) in columns().items():
        state = {"searchFilter": wanted, "orderByKey": order, "orderByAsc": False, "selectedColumns": shown}
        state |= _charts(charts()[key])
        tags[f"mlflow.sharedViewState.{key}"] = json.dumps(state)
    there = store.client.get_experiment(store.experiment).tags
    for name, value in tags.items():
        if there.get(name) != value:
            store.client.set_experiment_tag(store.experiment, name, value)


def directions(store: Store, view: str) -> str:
    """How to open a view: its address on the server or, for a database, on the pages of `make ui`."""
    if store.uri.startswith("http"):
        return f"{store.uri.rstrip('/')}/{_page(store, view)}"
    return f"make ui, then http://127.0.0.1:5000/{_page(store, view)}"


def _page(store: Store, view: str) -> str:
    return PAGE.format(id=quote(store.experiment), mode=MODES[view], view=view)


def _charts(wanted: Mapping[str, tuple[str, Sequence[str]]]) -> dict[str, Any]:
    """Charts in the form of the pages, which add a section for every other group of metrics below."""
    sections, charts = [], []
    for section, (kind, shown) in wanted.items():
        sections.append({"uuid": section, "name": section, "display": True, "isReordered": True, "deleted": False})
        for name in shown:
            chart = {"uuid": f"{section}/{name}", "type": kind, "metricSectionId": section, "runsCountToCompare": 10}
            chart |= {"deleted": False, "isGenerated": False}
            if kind == "IMAGE":
                chart |= {"imageKeys": [name], "step": 0, "showRunParams": False}
            else:
                chart |= {"metricKey": name}
            if kind == "LINE":
                chart |= {"selectedMetricKeys": [name], "xAxisKey": "step", "scaleType": "linear", "lineSmoothness": 0}
            charts.append(chart)
    return {"compareRunSections": sections, "compareRunCharts": charts, "isAccordionReordered": True}
