"""MODEL_CARD.md of an exported system, from the graph's results (Mitchell et al. 2019, "Model cards")."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from speech_emotion.corpora.catalogue import corpus_of
from speech_emotion.evaluation.metrics import METRICS, PRIMARY, confusion
from speech_emotion.evaluation.results import SystemResult
from speech_emotion.export.quantisation_aware_fitting import FORMS, KEPT, NOT_NEEDED, QAT
from speech_emotion.reporting.rendering import render

CONFIDENCE_EDGES = (0.0, 0.4, 0.6, 0.8, 0.9, 1.0)  # edges of the bins in the table of calibration
OBLIGATIONS = (  # part of a licence's name -> what follows for the model
    (
        "-NC",
        "**Non-commercial use only**: the model is derived from this data and may be used only as the data may be.",
    ),
    ("-SA", "Works derived from the data are passed on under the same licence."),
    ("CC BY", "Name the authors of the data wherever the model is passed on or its answers are published."),
    ("licensed", "The data is under a licence with its owner, which also limits the use of the model."),
    ("own", "The data is the user's own: its speakers' consent decides whether the model may be passed on."),
)
SPREADS = {"ua_fold_std": "spread of UA over folds", "ua_seed_std": "spread of UA over seeds"}


@dataclass(frozen=True)
class Facts:
    """The contents of the card.

    Attributes:
        result: predictions of the folds' models.
        figures: of the system, as the evaluate step computed them.
        utterances: the table; the protocol tests all or some of its rows.
        fitted: rows of the table that the shipped model was fitted on.
        bundle: content of bundle.json.
        check: content of check.json.
        table_sha256: of utterances.parquet.
        refit: how the shipped model was fitted: epochs, hyperparameters, agreeing, folds (see the select step).
        calibrated_ece: expected calibration error after temperature scaling, fitted for each speaker on the others.
    """

    result: SystemResult
    figures: Mapping[str, Any]
    utterances: pd.DataFrame
    fitted: pd.DataFrame
    bundle: Mapping[str, Any]
    check: Mapping[str, Any]
    table_sha256: str
    refit: Mapping[str, Any]
    calibrated_ece: float


def model_card(facts: Facts) -> str:
    """The card as Markdown; the part before its first section is a summary that can stand by itself."""
    tested = _tested(facts)
    return render(
        "card.md.j2",
        **vars(facts) | {"fitted": len(facts.fitted), "tested": tested},
        obligations=list(_obligations(facts.bundle["licences"])),
        corpora=[
            {"name": corpus, "licence": licence, **_extent(rows), "minutes": rows["duration"].sum() / 60}
            for (corpus, licence), rows in facts.fitted.groupby(["corpus", "licence"])
        ],
        speech={corpus: corpus_of(corpus).description for corpus in facts.bundle["corpora"]},
        spreads=SPREADS,
        others=[metric for metric in METRICS.values() if metric.key != PRIMARY and not metric.repeats],
        by_sex=[
            (metric.title if metric.key == PRIMARY else metric.words, metric)
            for metric in METRICS.values()
            if metric.by_sex
        ],
        ece=METRICS["ece"].shown(facts.figures["ece"]),
        confusion=list(_confusion(facts.result)),
        calibration=list(_calibration(facts.result)),
        int8_forms=list(FORMS.values()),
        kept=KEPT,
        not_needed=NOT_NEEDED,
        qat_prefix=QAT,
    )


def _obligations(licences: Sequence[str]) -> Iterator[str]:
    for licence in licences:
        for part, text in OBLIGATIONS:
            if part == licence or (part not in ("own", "licensed") and part in licence):
                yield text


def _tested(facts: Facts) -> dict[str, Any]:
    """Numbers of speakers and utterances that the protocol tests: in total, by emotion, by sex."""
    emotions = facts.result.predictions.drop_duplicates("id").set_index("id")["emotion"].rename("label")
    rows = facts.utterances.join(emotions, on="id", how="inner")
    return {
        **_extent(rows),
        "emotions": {label: _extent(among) for label, among in rows.groupby("label")},
        "sexes": {sex: _extent(among) for sex, among in rows.groupby("sex")},
    }


def _extent(rows: pd.DataFrame) -> dict[str, int]:
    return {"speakers": rows["speaker"].nunique(), "utterances": len(rows)}


def _confusion(result: SystemResult) -> Iterator[tuple[str, np.ndarray]]:
    """Each emotion that occurs, with the share of its utterances that was classified as each label."""
    counts = confusion(result.truth, result.predicted, len(result.labels))
    for label, row in zip(result.labels, counts, strict=True):
        if row.any():
            yield label, row / row.sum()


def _calibration(result: SystemResult) -> Iterator[dict[str, float]]:
    right = result.predicted == result.truth
    for low, high in itertools.pairwise(CONFIDENCE_EDGES):
        among = (result.confidence > low) & (result.confidence <= high)
        if among.any():
            mean = result.confidence[among].mean()
            yield {"low": low, "high": high, "mean": mean, "right": right[among].mean(), "answers": among.sum()}
