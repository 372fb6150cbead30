"""report.md: the table of systems and how it was got."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from speech_emotion.evaluation.claims import Claim
from speech_emotion.evaluation.comparison import enumerated, smallest_p
from speech_emotion.evaluation.markdown import count, table
from speech_emotion.evaluation.metrics import METRICS, PRIMARY
from speech_emotion.evaluation.results import SystemResult
from speech_emotion.evaluation.scoring import absent_labels, not_most_probable
from speech_emotion.params import CPU, Budget, Evaluate


@dataclass(frozen=True)
class Setting:
    """How the figures were got.

    Attributes:
        synthetic: the corpus is synthesised, not recorded.
        seeds: system -> seeds it was trained with, ascending.
        utterances: of the table; tested: of them, those that the protocol tests.
        speakers: that the protocol tests.
        table_sha256: of utterances.parquet.
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
        """One line for titles: what must not be read past."""
        return self._line(self.seeds)

    def line_of(self, system: str) -> str:
        """That line for a picture of one system."""
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
        results: checked results, one a system.
        metrics: system -> figures (evaluation.scoring).
        comparison: pairwise tests (evaluation.comparison).
        claims: system -> what its paper claims for it on this corpus.
        pictures: paths of the figures, relative to the report.
        sexes: utterance id -> sex.
    """
    ordered = sorted(results, key=lambda result: (-metrics[result.system]["ua"], result.system))
    parts = [
        f"# Systems on {setting.corpus}, {setting.kind}",
        *_warnings(setting),
        _systems(ordered, metrics, params),
        *_notes(results),
        "## How it was got",
        _provenance(setting, params, budget),
        *_claims(ordered, metrics, claims, setting),
        "## Which differences are real",
        *_tests(ordered, comparison, setting, params),
        "## Each emotion",
        _per_class(ordered, metrics, setting),
        *_per_sex(ordered, metrics, sexes),
        "## Figures",
        "\n".join(f"![{_caption(picture)}]({picture})" for picture in pictures),
    ]
    return "\n\n".join(parts) + "\n"


def _warnings(setting: Setting) -> Iterable[str]:
    if setting.synthetic:
        yield (
            "> **Synthetic speech.** This corpus is synthesised by the project. The figures show that the "
            "graph works; they say nothing about how well a system recognises people, and belong in no table "
            "of results."
        )
    if not setting.speaker_independent:
        yield (
            "> **Speaker-dependent.** Speakers of the tested utterances were heard in training. Expect lower "
            "figures on speakers whom a system has never heard."
        )


def _systems(ordered: Sequence[SystemResult], metrics: Mapping[str, Any], params: Evaluate) -> str:
    interval = f"{100 * params.confidence:g} % interval"
    others = [metric for metric in METRICS.values() if metric.key != PRIMARY]
    titles = [metric.title for metric in others]
    header = ["system", "UA", interval, "± folds", "± seeds", "seeds", *titles, "parameters", "deployable"]
    rows = []
    for result in ordered:
        one = metrics[result.system]
        rows.append(
            [
                result.units.title,
                f"**{one['ua']:.1f}**",
                interval_of(one),
                _optional(one.get("ua_fold_std")),
                _optional(one.get("ua_seed_std")),
                str(len(result.units.seeds)),
                *(metric.shown(one[metric.key]) for metric in others),
                f"{one['parameters']:,}" if "parameters" in one else "-",
                f"no: {result.units.not_deployable}" if result.units.not_deployable else "yes",
            ]
        )
    return table(header, rows, numbers=range(1, len(header) - 1))


def _notes(results: Sequence[SystemResult]) -> Iterable[str]:
    if absent := absent_labels(results[0]):
        yield (
            f"No tested utterance is labelled {', '.join(absent)}: UA and the macro figures are means over "
            f"the {len(results[0].labels) - len(absent)} other emotions."
        )
    for result in results:
        if share := not_most_probable(result):
            yield f"{result.units.title}: {100 * share:.1f} % of the predictions are not the likeliest label."
        if result.units.devices != (CPU,):
            yield (
                f"{result.units.title}: trained on {' and '.join(result.units.devices)}."
                " Another GPU, or the CPU, gives slightly other figures."
            )


def _provenance(setting: Setting, params: Evaluate, budget: Budget) -> str:
    counted = f"{setting.tested} utterances of {count(setting.speakers, 'speaker')} tested"
    if setting.tested != setting.utterances:
        counted += f" (the table holds {setting.utterances})"
    chosen = f" (these alone: {', '.join(sorted(budget.folds))})" if budget.folds else ""
    lines = [
        f"Corpus: {setting.corpus}{' (synthetic)' if setting.synthetic else ''}; {counted}; emotions: "
        f"{', '.join(setting.labels)}.",
        f"Table of utterances: sha256 `{setting.table_sha256}`.",
        f"Protocol: {setting.protocol}, {setting.kind}, {count(setting.folds, 'fold')}{chosen}; "
        f"seeds: {_seeds(setting.seeds)}; at most {budget.max_epochs} epochs.",
        "UA: unweighted average recall (macro recall) over the pooled predictions of all folds, mean over "
        "seeds. ± folds: standard deviation of the folds' own UA, each over the emotions present in it. ± "
        "seeds: of the seeds' pooled UA.",
        f"Interval: percentile bootstrap over speakers, {params.bootstrap_draws} resamples.",
        f"ECE: expected calibration error of the predicted label's probability, {params.calibration_bins} "
        "bins (Guo et al. 2017).",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _seeds(seeds: Mapping[str, tuple[int, ...]]) -> str:
    """ "0, 1", or "0, 1 (k2, t2); 0 (w1)" where systems have seeds of their own."""
    having: dict[tuple[int, ...], list[str]] = {}
    for system, own in seeds.items():
        having.setdefault(own, []).append(system)
    texts = {", ".join(map(str, own)): ", ".join(systems) for own, systems in having.items()}
    return next(iter(texts)) if len(texts) == 1 else "; ".join(f"{own} ({names})" for own, names in texts.items())


def _claims(
    ordered: Sequence[SystemResult],
    metrics: Mapping[str, Any],
    claims: Mapping[str, Sequence[Claim]],
    setting: Setting,
) -> Iterable[str]:
    rows = []
    for result in ordered:
        for claim in claims[result.system]:
            same = claim.protocol == setting.protocol and not (claim.features or claim.unit)
            for key, claimed in claim.figures.items():
                metric = METRICS[key]
                figures = [metric.shown(claimed), metric.shown(metrics[result.system][key])]
                conditions = "this protocol" if same else claim.conditions
                rows.append([result.units.title, metric.title, *figures, conditions])
    if rows:
        yield "## What the papers claim"
        yield f"Beside what was measured here: {setting.line}."
        yield table(["system", "figure", "claimed", "measured", "claimed under"], rows, numbers=(2, 3))


def _tests(
    results: Sequence[SystemResult], comparison: pd.DataFrame, setting: Setting, params: Evaluate
) -> Iterable[str]:
    if comparison.empty:
        yield "One system: nothing to compare."
        return
    exact = enumerated(setting.speakers, params.permutation_draws)
    draws = f"all {2**setting.speakers}" if exact else f"{params.permutation_draws} random"
    least = smallest_p(setting.speakers, params.permutation_draws)
    yield (
        f"Paired tests on the same {setting.tested} utterances. Permutation: {draws} exchanges of the two "
        "systems' predictions, speaker by speaker, of the difference in UA over the seeds that both have; with "
        f"{count(setting.speakers, 'speaker')} no p-value is below "
        f"{least:.2g}. "
        "McNemar: exact, on the utterances that only one of the two recognises; it takes utterances as "
        "independent and is therefore too sure. p-values are corrected over the "
        f"{count(len(comparison), 'pair')} (Holm)."
    )
    names = {result.system: result.units.title for result in results}
    header = ["A", "B", "UA of A", "UA of B", "difference", "p (permutation)", "only A right", "only B right"]
    rows = []
    for row in comparison.itertuples(index=False):
        uas = [f"{row.ua_a:.1f}", f"{row.ua_b:.1f}", f"{row.ua_difference:+.1f}"]
        discordant = [str(row.only_a_right), str(row.only_b_right)]
        names_ab = [names[row.system_a], names[row.system_b]]
        rows.append([*names_ab, *uas, _p(row.permutation_holm), *discordant, _p(row.mcnemar_holm)])
    yield table([*header, "p (McNemar)"], rows, numbers=range(2, 9))


def _per_class(ordered: Sequence[SystemResult], metrics: Mapping[str, Any], setting: Setting) -> str:
    rows = []
    for result in ordered:
        for label, one in metrics[result.system]["per_class"].items():
            figures = [f"{one[key]:.1f}" for key in ("precision", "recall", "f1")]
            rows.append([result.units.title, label, *figures, str(one["support"])])
    return table(["system", "emotion", "precision", "recall", "F1", "utterances"], rows, numbers=range(2, 6))


def _per_sex(ordered: Sequence[SystemResult], metrics: Mapping[str, Any], sexes: pd.Series) -> Iterable[str]:
    if not any(metrics[result.system]["per_sex"] for result in ordered):
        return
    tested = ordered[0].predictions.drop_duplicates("id")
    sex = tested["id"].map(sexes)
    taken = [metric for metric in METRICS.values() if metric.by_sex]
    rows = []
    for result in ordered:
        for value, one in metrics[result.system]["per_sex"].items():
            among = tested[(sex == value).to_numpy()]
            rows.append(
                [
                    result.units.title,
                    value,
                    *(metric.shown(one[metric.key]) for metric in taken),
                    str(among["speaker"].nunique()),
                    str(len(among)),
                ]
            )
    yield "## Each sex"
    header = ["system", "sex", *(metric.title for metric in taken), "speakers", "utterances"]
    yield table(header, rows, numbers=range(2, len(header)))


def interval_of(figures: Mapping[str, Any]) -> str:
    """The bootstrap interval of UA in words; speakers are what is drawn, and of one there is none."""
    return f"{figures['ua_low']:.1f} to {figures['ua_high']:.1f}" if "ua_low" in figures else "-"


def _optional(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _caption(picture: str) -> str:
    return picture.rsplit("/", 1)[-1].removesuffix(".png").replace("-", " ")
