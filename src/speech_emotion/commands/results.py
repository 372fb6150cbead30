"""Results: the table of systems, and finished units to publish."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from speech_emotion.commands.search import publish_trials
from speech_emotion.errors import UserError
from speech_emotion.params import Params, load_params

EVALUATION = Path("artifacts/evaluate")


def table(folder: Path = EVALUATION) -> str:
    """Returns the table of systems, and where to look next.

    Args:
        folder: output of the evaluate step.

    Raises:
        UserError: nothing has been evaluated.
    """
    from speech_emotion.evaluation.metrics import PRIMARY, headline

    path = folder / "metrics.json"
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: does not exist: run make run first") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not JSON: {error}: run dvc repro again") from None
    systems = {
        name: values
        for name, values in metrics.items()
        if isinstance(values, Mapping) and isinstance(values.get(PRIMARY), float | int)
    }
    if not systems:
        raise UserError(f"{path}: contains no system: run dvc repro again")
    ranked = sorted(systems, key=lambda name: -systems[name][PRIMARY])
    rows = [["system", *(metric.heading for metric in headline())]]
    rows += [[name, *(metric.shown(systems[name].get(metric.key)) for metric in headline())] for name in ranked]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return "\n".join(
        [
            _setting(),
            "",
            *lines,
            "",
            "Where to look next",
            f"  {folder}/report.md    what was measured, how, and with what uncertainty",
            "  make ui                      every run, curve and figure in MLflow",
            "  dvc plots show               learning curves, confusion, systems side by side",
            "  dvc exp run -S KEY=VALUE     try another setting; dvc exp show --only-changed compares",
        ]
    )


def _setting() -> str:
    params = load_params()
    speech = f"corpus {params.corpus}"
    if _synthetic(params.corpus):
        speech += " (synthetic: says nothing about people)"
    return f"{speech}, protocol {params.budget.protocol}"


def _synthetic(corpus: str) -> bool:
    from speech_emotion.corpora.catalogue import corpus_of

    return corpus_of(corpus).make is not None


def publish(artifacts: Path = Path("artifacts"), papers: Path = Path("papers")) -> str:
    """Copies the finished units of the last run and finished trials, in compact form, to papers/, to be committed.

    Args:
        artifacts: outputs of the steps.
        papers: folder that receives them.

    Raises:
        UserError: the current corpus is synthetic, or nothing has been trained or tried.
    """
    params = load_params()
    if _synthetic(params.corpus):
        raise UserError(
            f"corpus = {params.corpus}: is synthetic and never published: choose a real corpus (speech-emotion use)"
        )
    units, systems = _publish_units(params, artifacts, papers)
    trials = publish_trials(params, papers) if params.tune.enabled else 0
    if not (systems or trials):
        raise UserError(f"{artifacts}/train: contains no trained system: run make run first")
    told = f", {trials} finished trials" if trials else ""
    return f"{papers}: {units} finished units of {systems} systems{told}; commit them"


def _publish_units(params: Params, artifacts: Path, papers: Path) -> tuple[int, int]:
    """Returns the numbers of units and of systems that were published."""
    from speech_emotion.systems.catalogue import hyperparameters_of
    from speech_emotion.training.units import UnitStore
    from speech_emotion.training.units import publish as publish_unit

    store, count = UnitStore(artifacts / "units", papers), 0
    records = sorted((artifacts / "train").glob("*/units.json"))
    for path in records:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["corpus"] != params.corpus:
            raise UserError(
                f"{path}: corpus = {record['corpus']}: {params.corpus} is the current corpus: run dvc repro, or choose "
                f"{record['corpus']} (speech-emotion use)"
            )
        own = hyperparameters_of(params.systems, record["system"])
        for summary in record["units"].values():
            if (unit := store.find(summary["key"])) is not None:
                named = replace(unit, hyperparameters=summary["hyperparameters"])  # by their present names
                publish_unit(named, papers, record["paper"], tuned=summary["hyperparameters"] != own)
                count += 1
    return count, len(records)
