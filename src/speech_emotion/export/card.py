"""MODEL_CARD.md of an exported system, made from the graph's own results (Mitchell et al. 2019, "Model cards")."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from speech_emotion.corpora.catalogue import corpus_of
from speech_emotion.evaluation.markdown import count, table
from speech_emotion.evaluation.metrics import METRICS, PRIMARY, Metric
from speech_emotion.evaluation.report import interval_of
from speech_emotion.evaluation.results import SystemResult
from speech_emotion.export.quantisation_aware_fitting import FORMS, KEPT, NOT_NEEDED, QAT

CONFIDENCE_EDGES = (0.0, 0.4, 0.6, 0.8, 0.9, 1.0)  # of the table of calibration
OBLIGATIONS = (  # part of a licence's name -> what follows for the model
    ("-NC", "**Non-commercial use only**: the model is made of this data and is to be used as the data may be."),
    ("-SA", "What is made of it is passed on under the same licence."),
    ("CC BY", "The authors of the data are to be named wherever the model is passed on or its answers are published."),
    ("licensed", "The data is under a licence with its owner: the model goes no further than that licence allows."),
    ("own", "The data is the user's own: whether the model may be passed on, its speakers' consent decides."),
)


@dataclass(frozen=True)
class Facts:
    """What the card is made of.

    Attributes:
        result: predictions of the folds' models.
        figures: of the system, as the evaluate step took them.
        utterances: the table, of which the protocol tests a part.
        fitted: rows of the table that the shipped model was fitted on.
        bundle: bundle.json; check: check.json.
        table_sha256: of utterances.parquet.
        refit: what the shipped model was fitted with: epochs, hyperparameters, agreeing, folds (see the select step).
        calibrated_ece: expected calibration error after temperature scaling, each speaker's by the others.
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
    """The card as Markdown; what stands before its first section is a summary that can stand alone."""
    sections = {
        "Data and licences": _data(facts),
        "How it was measured": _protocol(facts),
        "Figures": _figures(facts),
        "Each emotion": _classes(facts),
        "Each sex": _sexes(facts),
        "Which emotions it confuses": _confusion(facts),
        "How far its probabilities can be trusted": _calibration(facts),
        "On the device": _device(facts),
        "Limits": _limits(facts),
        "Use and misuse": _use(facts),
        "Provenance": _provenance(facts),
    }
    parts = [_summary(facts), *(f"## {title}\n\n{text}" for title, text in sections.items())]
    return "\n\n".join(parts) + "\n"


def _summary(facts: Facts) -> str:
    units, figures = facts.result.units, facts.figures
    lines = [
        f"# {facts.bundle['title']}, trained on {', '.join(facts.bundle['corpora'])}",
        f"Names the emotion of speech from its waveform, one of {len(facts.result.labels)}: "
        f"{', '.join(facts.result.labels)}.",
    ]
    if facts.bundle["synthetic"]:
        lines.append(
            "> **Synthetic speech.** The model has heard synthesised speech alone. It shows that the graph works; it "
            "says nothing about people and is not to be used on them."
        )
    heard = "that its training had not heard" if units.speaker_independent else "**that its training had heard**"
    interval = f"95 % interval {interval_of(figures)}" if "ua_low" in figures else "of one speaker alone"
    lines.append(
        f"UA {figures['ua']:.1f} % ({interval}), accuracy {figures['wa']:.1f} %, on speakers {heard}: protocol "
        f"{units.protocol}, {count(units.folds, 'fold')}, {count(len(units.seeds), 'seed')}."
    )
    lines.append(f"Licence of the data: {', '.join(facts.bundle['licences'])}. " + " ".join(_obligations(facts)))
    return "\n\n".join(line.strip() for line in lines)


def _obligations(facts: Facts) -> Iterator[str]:
    for licence in facts.bundle["licences"]:
        for part, text in OBLIGATIONS:
            if part == licence or (part not in ("own", "licensed") and part in licence):
                yield text


def _data(facts: Facts) -> str:
    rows = []
    for (corpus, licence), one in facts.fitted.groupby(["corpus", "licence"]):
        speech = corpus_of(corpus).description
        rows.append([corpus, speech, licence, str(one["speaker"].nunique()), str(len(one)), _hours(one)])
    text = table(["corpus", "speech", "licence", "speakers", "utterances", "duration"], rows, numbers=(3, 4, 5))
    obligations = "\n".join(f"- {line}" for line in _obligations(facts))
    tested = len(_tested(facts))
    some = f" The figures are of {count(tested, 'utterance')} among them." if tested < len(facts.fitted) else ""
    shipped = f"The model that ships was fitted on all of them, after the folds had been measured.{some}"
    return "\n\n".join(part for part in (text, shipped, obligations) if part)


def _protocol(facts: Facts) -> str:
    units = facts.result.units
    kind = (
        "speaker-independent: no speaker of a fold's test was heard in its training, early stopping or normalisation"
        if units.speaker_independent
        else "**speaker-dependent**: the tested speakers were heard in training; expect lower figures on others"
    )
    lines = [
        f"Protocol {units.protocol}, {kind}.",
        f"{count(units.folds, 'fold')}; seeds: {', '.join(map(str, units.seeds))}; the figures are those of the folds' "
        "models. The shipped model has heard everybody, so that nobody is left to measure it on.",
        _refit(facts.refit),
        "UA is the unweighted average recall over the pooled predictions of all folds, mean over seeds; its interval a "
        "bootstrap over speakers.",
        f"Table of utterances: sha256 `{facts.table_sha256}`.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _refit(refit: Mapping[str, Any]) -> str:
    values = ", ".join(f"{name} {value}" for name, value in refit["hyperparameters"].items())
    epochs = f"{count(refit['epochs'], 'epoch')}, the median of the folds' best; " if refit["epochs"] else ""
    if refit["agreeing"] == refit["folds"]:
        return f"The shipped model was fitted with {epochs}hyper-parameters as in all folds: {values}."
    return (
        "Hyper-parameters were searched for in each fold, on its inner speakers, and the folds found different ones: "
        "the figures are those of the search as a whole. The shipped model was fitted with "
        f"{epochs}hyper-parameters of the fold that lies nearest to all others ({refit['agreeing']} of "
        f"{count(refit['folds'], 'fold')} found them): {values}."
    )


def _figures(facts: Facts) -> str:
    figures = facts.figures
    rows = [
        ["UA (macro recall)", f"{figures['ua']:.1f} %"],
        *([["interval of UA", f"{interval_of(figures)} %"]] if "ua_low" in figures else []),
    ]
    for key, words in (("ua_fold_std", "spread of UA over folds"), ("ua_seed_std", "spread of UA over seeds")):
        if key in figures:
            rows.append([words, f"± {figures[key]:.1f} points"])
    for metric in METRICS.values():
        if metric.key != PRIMARY and not metric.repeats:
            rows.append([metric.words, metric.shown(figures[metric.key], unit=True)])
    rows.append(["by chance (UA)", f"{100 / len(facts.figures['per_class']):.1f} %"])
    return table(["figure", "value"], rows, numbers=(1,))


def _classes(facts: Facts) -> str:
    tested = _tested(facts)
    rows = []
    for label, one in facts.figures["per_class"].items():
        among = tested[tested["label"] == label]
        shares = [f"{one[key]:.1f}" for key in ("recall", "precision", "f1")]
        rows.append([label, *shares, str(among["speaker"].nunique()), str(len(among))])
    return table(["emotion", "recall", "precision", "F1", "speakers", "utterances"], rows, numbers=range(1, 6))


def _sexes(facts: Facts) -> str:
    tested, rows = _tested(facts), []
    taken = [metric for metric in METRICS.values() if metric.by_sex]
    for sex, one in facts.figures["per_sex"].items():
        among = tested[tested["sex"] == sex]
        shown = [metric.shown(one[metric.key]) for metric in taken]
        rows.append([sex, *shown, str(among["speaker"].nunique()), str(len(among))])
    if not rows:
        return "The corpus does not tell the sex of its speakers: nothing is known of differences."
    header = ["sex", *map(_name, taken), "speakers", "utterances"]
    return table(header, rows, numbers=range(1, len(header)))


def _name(metric: Metric) -> str:
    return metric.title if metric.key == PRIMARY else metric.words


def _confusion(facts: Facts) -> str:
    result = facts.result
    counts = np.zeros((len(result.labels), len(result.labels)))
    np.add.at(counts, (result.truth, result.predicted), 1)
    held = counts.sum(axis=1) > 0
    rows = [
        [label, *(f"{100 * share:.0f}" for share in row / row.sum())]
        for label, row, present in zip(result.labels, counts, held, strict=True)
        if present
    ]
    text = "In percent of the utterances of the emotion in front; above it what they were taken for."
    return f"{text}\n\n" + table(["", *result.labels], rows, numbers=range(1, len(result.labels) + 1))


def _calibration(facts: Facts) -> str:
    result = facts.result
    right = result.predicted == result.truth
    rows = []
    for low, high in itertools.pairwise(CONFIDENCE_EDGES):
        among = (result.confidence > low) & (result.confidence <= high)
        if among.any():
            share = f"{100 * right[among].mean():.0f}"
            rows.append([f"{low:g} to {high:g}", f"{result.confidence[among].mean():.2f}", share, str(among.sum())])
    text = (
        f"Expected calibration error {METRICS['ece'].shown(facts.figures['ece'])} (0 is perfect). How often the "
        "folds' models were right, by the probability they gave to their answer:"
    )
    header = ["probability of the answer", "mean", "right, %", "answers"]
    scaled = (
        "The shipped model's answers are scaled by one temperature besides; with it, fitted for each speaker on the "
        f"others, the error is {facts.calibrated_ece:.3f}."
    )
    return "\n\n".join([text, table(header, rows, numbers=(1, 2, 3)), scaled])


def _device(facts: Facts) -> str:
    bundle, check = facts.bundle, facts.check
    window = bundle["window_samples"] / bundle["sample_rate"]
    lines = [
        f"Reads windows of {window:.2f} s at {bundle['sample_rate']} Hz, one channel; longer speech is cut into "
        f"windows, shorter speech repeated. {bundle['parameters']:,} parameters.",
        f"FP32 differs from the trained model by at most {check['fp32']['max_difference']:.1e} of a probability; INT8 "
        f"names the same emotion in {100 * check['int8']['agreement']:.1f} % of {check['int8']['windows']} windows.",
    ]
    if pruned := check.get("pruned"):
        lines.append(
            f"The forms named pruned- lack {100 * pruned['share']:g} % of each layer's filters, in blocks of eight "
            f"({pruned['parameters']:,} parameters), and were fine-tuned for {count(pruned['epochs'], 'epoch')}. UA of "
            f"the {count(pruned['folds'], 'fold')}' models so treated: {pruned['tuned']['ua']:.1f} %, whole "
            f"{pruned['whole']['ua']:.1f} %."
        )
    if qat := check.get("qat"):
        lines.append(_qat(qat))
    return "\n".join(f"- {line}" for line in lines)


def _qat(qat: Mapping[str, Any]) -> str:
    def ua(prefix: str) -> str:
        return " and ".join(f"{qat['test'][prefix + form]['ua']:.1f} % ({form})" for form in FORMS.values())

    asked = (
        f"UA of the models of {count(qat['folds'], 'fold')} on their test speakers: FP32 "
        f"{qat['test']['fp32']['ua']:.1f} %, calibrated alone {ua('')}"
    )
    said = f"On the folds' inner speakers, INT8 by calibration alone loses {qat['loss']['inner']:.1f} points of UA; "
    if qat["done"] == NOT_NEEDED:
        return f"{said}up to {qat['when_loss']:g} nothing is fine-tuned for it. {asked}."
    kept = qat["done"] == KEPT
    done = f"were fine-tuned for {count(qat['epochs'], 'epoch')}, rounding as they do" if kept else "stay as calibrated"
    why = "" if kept else ", since quantisation-aware fine-tuning made them no better there"
    return f"{said}the INT8 forms {done}{why}. {asked}, fine-tuned {ua(QAT)}."


def _limits(facts: Facts) -> str:
    kinds = "; ".join(f"{corpus}: {corpus_of(corpus).description}" for corpus in facts.bundle["corpora"])
    speakers = _tested(facts)["speaker"].nunique()
    lines = [
        f"It knows the speech of its corpora alone ({kinds}). Acted emotion is plainer than lived emotion: expect "
        "lower figures on spontaneous speech.",
        "Other languages, ages, accents, ways of speaking, rooms, microphones, telephone lines and codecs were not "
        "measured. Noise, music and several voices at once were not either.",
        f"{count(speakers, 'speaker')} are few: differences between groups of people can hide in the figures, and "
        "groups that the corpus does not tell of were not looked at.",
        f"It always names one of {len(facts.result.labels)} emotions; speech of another emotion, or of none, gets one "
        "of these names as well. The warning that speech is unlike the training speech catches some of this, not all.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _use(facts: Facts) -> str:
    lines = [
        "Meant for research on recognisers of emotion, for comparing systems, and for trying them on small devices "
        "with people who know of it and agree.",
        "Not for decisions about a person: work, school, credit, insurance, care, police, border, lie detection, "
        "diagnosis. It hears how something is said by actors, not what somebody feels.",
        "Not for listening to people who do not know it. In the European Union, inferring emotions at work and in "
        "education is prohibited, except for medical or safety reasons (Regulation (EU) 2024/1689, Article 5(1)(f)), "
        "and elsewhere people must be told (Article 50(3)).",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _provenance(facts: Facts) -> str:
    bundle, units = facts.bundle, facts.result.units
    lines = [f"System `{bundle['system']}` after {units.paper}."]
    lines += [f"{name}: sha256 `{sha256}`" for name, sha256 in bundle["sha256"].items()]
    return "\n".join(f"- {line}" for line in lines)


def _tested(facts: Facts) -> pd.DataFrame:
    """A row an utterance that the protocol tests: the table's columns, and `label`, its emotion for the protocol."""
    once = facts.result.predictions.drop_duplicates("id").set_index("id")["emotion"].rename("label")
    return facts.utterances.join(once, on="id", how="inner")


def _hours(rows: pd.DataFrame) -> str:
    minutes = rows["duration"].sum() / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
