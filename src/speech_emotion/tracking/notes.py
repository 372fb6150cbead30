"""What a run's page says in words: Markdown for MLflow's description."""

from collections.abc import Mapping
from typing import Any

from speech_emotion.evaluation.metrics import METRICS, PRIMARY, headline
from speech_emotion.tracking.entries import Dataset

SYNTHETIC = "> **Synthetic speech.** The figures show that the graph works; they say nothing about people."
DEPENDENT = "> **Speaker-dependent.** Test speakers are heard in training too: not comparable with the other protocols."
UNITS = (
    "{percent}, `recall/*`, `precision/*`, `f1/*` in percent over the pooled predictions of all folds, mean over the "
    "seeds, and so in `per_sex/*`; {shares} and `valid_ua` (inner validation speakers, by epoch) are shares from 0 to "
    "1. Curves are means over the units that reached the epoch; `units_in_mean` says how many."
)


def of_system(units: Mapping[str, Any], metrics: Mapping[str, Any], tags: Mapping[str, str], dataset: Dataset) -> str:
    """A system's page: what was measured, the figures with their spread, how they were got."""
    spread = (
        [f"{metrics['ua_low']:.1f} to {metrics['ua_high']:.1f} by resampled speakers"] if "ua_low" in metrics else []
    )
    for name, of in (("ua_fold_std", "folds"), ("ua_seed_std", "seeds")):
        if name in metrics:
            spread.append(f"± {metrics[name]:.1f} over {of}")
    beside = {PRIMARY: "; ".join(spread)}
    rows = [
        (one.title, _shown(metrics, one.key), beside.get(one.key, "" if one.percent else "share"))
        for one in headline()
        if one.percent or one.key in metrics
    ]
    deployable = tags["deployable"]
    return "\n".join(
        [
            f"**UA {_shown(metrics, 'ua')}**, WA {_shown(metrics, 'wa')}: {units['title']} (`{units['system']}`, "
            f"paper `{units['paper']}`) on {_setting(tags, dataset)}.",
            *_warnings(tags),
            "",
            "| figure | value | |",
            "|---|---|---|",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
            f"How: {_count(units['folds'], 'fold')}, {_count(len(units['seeds']), 'seed')}; the best epoch is chosen "
            "on inner validation speakers, never on the tested ones.",
            f"For the device: {deployable}.",
            *_origin(tags, dataset),
            "",
            _units(),
        ]
    )


def of_comparison(metrics: Mapping[str, Any], tags: Mapping[str, str], dataset: Dataset) -> str:
    """The page of all systems side by side, the best UA on top."""
    ranked = sorted(metrics, key=lambda system: -metrics[system][PRIMARY])
    rows = [[system, *(one.shown(metrics[system].get(one.key)) for one in headline())] for system in ranked]
    return "\n".join(
        [
            f"All systems on {_setting(tags, dataset)}.",
            *_warnings(tags),
            "",
            f"| system | {' | '.join(one.heading for one in headline())} |",
            f"|{'---|' * (1 + len(headline()))}",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
            "`report.md` among the artifacts says how sure the order is (paired tests).",
            *_origin(tags, dataset),
        ]
    )


def of_model(
    bundle: Mapping[str, Any],
    metrics: Mapping[str, Any],
    check: Mapping[str, Any],
    tags: Mapping[str, str],
    dataset: Dataset,
) -> str:
    """The page of the exported model: what it is, whose figures it carries, how far its forms agree."""
    difference, agreement = check["fp32"].get("max_difference"), check["int8"].get("agreement")
    said = [f"FP32 within {difference:.1e} of a probability"] if difference is not None else []
    said += [f"INT8 names the same emotion in {100 * agreement:.1f} % of windows"] if agreement is not None else []
    return "\n".join(
        [
            f"**{bundle['title']}** as it ships: from the waveform to the probabilities of {len(bundle['labels'])} "
            f"emotions ({', '.join(bundle['labels'])}), fitted on all speakers of {_setting(tags, dataset)}.",
            *_warnings(tags),
            "",
            f"Its figures (UA {_shown(metrics, 'ua')}, WA {_shown(metrics, 'wa')}) are those of the folds' models, "
            f"on speakers never heard: run *{bundle['system']} · {tags['protocol']}*.",
            *([f"Against the trained model: {'; '.join(said)}."] if said else []),
            *_origin(tags, dataset),
            "",
            "`MODEL_CARD.md` among the model's artifacts says what it is for and what it is not for.",
        ]
    )


def _setting(tags: Mapping[str, str], dataset: Dataset) -> str:
    kind = "speaker-independent" if tags["speaker_independent"] == "true" else "speaker-dependent"
    utterances, speakers = dataset.profile["utterances"], dataset.profile["speakers"]
    return (
        f"corpus `{tags['corpus']}` ({utterances} utterances, {_count(speakers, 'speaker')}), protocol "
        f"`{tags['protocol']}`, {kind}"
    )


def _warnings(tags: Mapping[str, str]) -> list[str]:
    said = [SYNTHETIC] if tags["synthetic"] == "true" else []
    said += [DEPENDENT] if tags["speaker_independent"] != "true" else []
    return [line for text in said for line in ("", text)]


def _origin(tags: Mapping[str, str], dataset: Dataset) -> list[str]:
    version = "".join(f", {name} `{value}`" for name, value in dataset.version.items())
    licences = ", ".join(dataset.licences)
    lines = ["", f"Data: `{dataset.source}`, licence {licences}, sha256 `{dataset.digest[:12]}`{version}."]
    return [*lines, f"Revision: `{tags['revision']}`."] if "revision" in tags else lines


def _shown(metrics: Mapping[str, Any], key: str) -> str:
    return METRICS[key].shown(metrics.get(key), unit=True)


def _units() -> str:
    percent, shares = (
        ", ".join(f"`{metric.key}`" for metric in METRICS.values() if metric.percent is wanted)
        for wanted in (True, False)
    )
    return UNITS.format(percent=percent, shares=shares)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
