"""report.md: the table of systems and how it was measured."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from speech_emotion.evaluation.claims import Claim
from speech_emotion.evaluation.comparison import enumerated, smallest_p
from speech_emotion.evaluation.metrics import METRICS, PRIMARY, Metric
from speech_emotion.evaluation.results import SystemResult, Units
from speech_emotion.evaluation.scoring import absent_labels, not_most_probable
from speech_emotion.params import CPU, Budget, Evaluate
from speech_emotion.reporting.rendering import count, render


@dataclass(frozen=True)
class Setting:
    """How the figures were measured.

    Attributes:
        synthetic: the corpus is synthesised, not recorded.
        labels: the protocol's labels, in its order.
        seeds: system -> seeds it was trained with, ascending.
        folds: number of folds.
        utterances: number of utterances in the table.
        tested: number of utterances that the protocol tests.
        speakers: number of speakers that the protocol tests.
        table_sha256: sha256 of utterances.parquet.
    """

    corpus: str
    protocol: str
    speaker_independent: bool
    synthetic: bool
    labels: tuple[str, ...]
    seeds: Mapping[str, tuple[int, ...]]
    folds: int
    utterances: int
    tested: int
    speakers: int
    table_sha256: str

    @property
    def kind(self) -> str:
        """speaker-independent or speaker-dependent."""
        return "speaker-independent" if self.speaker_independent else "speaker-dependent"

    @property
    def line(self) -> str:
        """The facts that every title must show, in one line."""
        return self._line(self.seeds)

    def line_of(self, system: str) -> str:
        """The same line for a picture of one system."""
        return self._line([system])

    def _line(self, systems: Iterable[str]) -> str:
        corpus = f"{self.corpus} (synthetic speech)" if self.synthetic else self.corpus
        least, most = (choose(len(self.seeds[system]) for system in systems) for choose in (min, max))
        seeds = count(most, "seed") if least == most else f"{least} to {most} seeds"
        return f"{corpus} · {self.protocol} ({self.kind}) · {count(self.folds, 'fold')} · {seeds}"


def report(
    setting: Setting,
    results: Sequence[SystemResult],
    metrics: Mapping[str, Any],
    comparison: pd.DataFrame,
    claims: Mapping[str, Sequence[Claim]],
    pictures: Sequence[str],
    sexes: pd.Series,
    params: Evaluate,
    budget: Budget,
) -> str:
    """The report as Markdown.

    Args:
        setting: how the figures were measured.
        results: checked results, one for each system.
        metrics: system -> figures (evaluation.scoring).
        comparison: pairwise tests (evaluation.comparison).
        claims: system -> its paper's claims for it on this corpus.
        pictures: paths of the figures, relative to the report.
        sexes: utterance id -> sex.
        params: numbers of draws and bins, confidence level.
        budget: the corpus' budget.
    """
    ordered = sorted(results, key=lambda result: (-metrics[result.system][PRIMARY], result.system))
    return render(
        "report.md.j2",
        setting=setting,
        params=params,
        budget=budget,
        others=[metric for metric in METRICS.values() if metric.key != PRIMARY],
        by_sex=[metric for metric in METRICS.values() if metric.by_sex],
        systems=[(result.units, metrics[result.system]) for result in ordered],
        titles={result.system: result.units.title for result in results},
        absent=absent_labels(results[0]),
        votes=[(result.units, share) for result in results if (share := not_most_probable(result))],
        cpu=CPU,
        seeds=_seeds(setting.seeds),
        claims=list(_claims(ordered, metrics, claims, setting.protocol)),
        pairs=list(comparison.itertuples(index=False)),
        enumerated=enumerated(setting.speakers, params.permutation_draws),
        smallest_p=smallest_p(setting.speakers, params.permutation_draws),
        sexes=_sexes(ordered[0].predictions, sexes),
        pictures=pictures,
    )


def _seeds(seeds: Mapping[str, tuple[int, ...]]) -> dict[tuple[int, ...], list[str]]:
    """Seeds -> the systems that have them."""
    having: dict[tuple[int, ...], list[str]] = {}
    for system, own in seeds.items():
        having.setdefault(own, []).append(system)
    return having


def _claims(
    ordered: Sequence[SystemResult],
    metrics: Mapping[str, Any],
    claims: Mapping[str, Sequence[Claim]],
    protocol: str,
) -> Iterator[tuple[Units, Metric, float, float, str]]:
    """Yields units, metric, claimed and measured figure (in the unit of metrics.json), conditions of the claim."""
    for result in ordered:
        for claim in claims[result.system]:
            same = claim.protocol == protocol and not (claim.features or claim.unit)
            for key, claimed in claim.figures.items():
                measured = metrics[result.system][key]
                yield result.units, METRICS[key], claimed, measured, "this protocol" if same else claim.conditions


def _sexes(predictions: pd.DataFrame, sexes: pd.Series) -> dict[str, dict[str, int]]:
    """Sex -> numbers of tested speakers and utterances."""
    tested = predictions.drop_duplicates("id")
    return {
        sex: {"speakers": rows["speaker"].nunique(), "utterances": len(rows)}
        for sex, rows in tested.groupby(tested["id"].map(sexes))
    }
