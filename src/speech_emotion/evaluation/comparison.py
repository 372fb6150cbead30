"""Paired tests of whether one system is better than another on the same utterances, corrected for multiple testing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from speech_emotion.errors import UserError
from speech_emotion.evaluation.metrics import speaker_counts
from speech_emotion.evaluation.results import SystemResult
from speech_emotion.params import Evaluate
from speech_emotion.randomness import generator

COLUMNS = (
    "system_a", "system_b", "ua_a", "ua_b", "ua_difference", "permutation_p", "permutation_holm",
    "only_a_right", "only_b_right", "mcnemar_p", "mcnemar_holm",
)  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """Two systems on the same utterances; UAs are in [0, 1]; p-values are two-sided and not corrected.

    Attributes:
        difference: UA of a minus UA of b, over the seeds that both have.
        permutation_p: p-value of that difference, by exchanging whole speakers.
        only_a, only_b: numbers of utterances that only one of them recognises; each utterance counts once.
        mcnemar_p: p-value of only_a against only_b.
    """

    system_a: str
    system_b: str
    ua_a: float
    ua_b: float
    difference: float
    permutation_p: float
    only_a: int
    only_b: int
    mcnemar_p: float


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided McNemar test: a binomial test of the discordant utterances (McNemar 1947).

    It treats utterances as independent, although those of one speaker are not. The permutation test by speaker does not
    need this assumption.

    Args:
        only_a: number of utterances that only system a recognises.
        only_b: number of utterances that only system b recognises.
    """
    discordant = only_a + only_b
    return float(binomtest(only_a, discordant, 0.5).pvalue) if discordant else 1.0


def enumerated(speakers: int, draws: int) -> bool:
    """Whether the permutation test goes through all exchanges of speakers instead of drawing `draws` of them."""
    return 2**speakers <= draws


def smallest_p(speakers: int, draws: int) -> float:
    """The smallest p-value of the permutation test: exchanging all speakers is as extreme as exchanging none."""
    return max(2.0 ** (1 - speakers), 0.0 if enumerated(speakers, draws) else 1 / (draws + 1))


def permutation_test(
    right_a: np.ndarray, right_b: np.ndarray, total: np.ndarray, draws: int, random: np.random.Generator
) -> tuple[float, float]:
    """Paired permutation test of the difference in UA; exchanges the two systems' predictions speaker by speaker.

    If the systems are equally good, it does not matter which of them made a speaker's predictions. For fixed class
    sizes UA is a sum over speakers, so an exchange flips the sign of that speaker's term. With few speakers
    (2^speakers <= draws) all exchanges are enumerated and the p-value is exact; otherwise `draws` of them are drawn and
    the observed one is counted as one of them (Phipson & Smyth 2010). With n speakers no p-value is below 2^(1 - n).

    Args:
        right_a, right_b: (speakers, classes) numbers of utterances that each system recognises.
        total: (speakers, classes) numbers of utterances.
        draws: number of random exchanges, if not all are enumerated.
        random: draws them.

    Returns:
        Difference of UA (a minus b) in [-1, 1], and the two-sided p-value.
    """
    held = total.sum(axis=0) > 0
    terms = ((right_a - right_b)[:, held] / total[:, held].sum(axis=0)).mean(axis=1)
    difference = float(terms.sum())
    speakers = len(terms)
    exact = enumerated(speakers, draws)
    if exact:
        flipped = (np.arange(2**speakers)[:, None] >> np.arange(speakers)) & 1
    else:
        flipped = random.integers(0, 2, size=(draws, speakers), dtype=np.int8)
    exchanged = (1 - 2 * flipped) @ terms
    # sums in another order differ in the last bits: treat nearly equal differences as equal
    extreme = int(np.count_nonzero(np.abs(exchanged) >= abs(difference) - 1e-12))
    return difference, extreme / len(exchanged) if exact else (extreme + 1) / (draws + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (Holm 1979): adjusted p-values, in the order of `p_values`."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted.tolist()


def compare(a: SystemResult, b: SystemResult, params: Evaluate) -> Pair:
    """Tests two systems against each other.

    The permutation test pools all seeds that both have; McNemar's test counts each utterance once, from the first seed
    and fold that tested it.

    Args:
        a: results of the first system.
        b: results of the second system.
        params: seed and number of draws of the permutation test.

    Raises:
        UserError: the systems share no seed, or were not tested on the same utterances in the same folds.
    """
    a, b = on_shared_seeds(a, b)
    _same_utterances(a, b)
    speakers, truth, classes = a.predictions["speaker"].to_numpy(), a.truth, len(a.labels)
    right_a, total = speaker_counts(speakers, truth, a.predicted, classes)
    right_b, _ = speaker_counts(speakers, truth, b.predicted, classes)
    random = generator(params.seed, "permutation", a.system, b.system)
    difference, permutation_p = permutation_test(right_a, right_b, total, params.permutation_draws, random)
    once = ~a.predictions["id"].duplicated().to_numpy()
    hit_a, hit_b = (a.predicted == truth)[once], (b.predicted == truth)[once]
    only_a, only_b = int((hit_a & ~hit_b).sum()), int((hit_b & ~hit_a).sum())
    held = total.sum(axis=0) > 0
    ua_a, ua_b = (float((right.sum(axis=0)[held] / total.sum(axis=0)[held]).mean()) for right in (right_a, right_b))
    return Pair(a.system, b.system, ua_a, ua_b, difference, permutation_p, only_a, only_b, mcnemar(only_a, only_b))


def on_shared_seeds(a: SystemResult, b: SystemResult) -> tuple[SystemResult, SystemResult]:
    """The two systems' results, limited to the seeds that both have.

    Raises:
        UserError: they share no seed.
    """
    seeds = set(a.predictions["seed"]) & set(b.predictions["seed"])
    if not seeds:
        raise UserError(f"{a.system} and {b.system} share no seed: train both with one of the same seeds (budgets)")
    return tuple(
        replace(one, predictions=one.predictions[one.predictions["seed"].isin(seeds)].reset_index(drop=True))
        for one in (a, b)
    )


def compare_all(results: Sequence[SystemResult], params: Evaluate) -> pd.DataFrame:
    """Tests all pairs of systems; one row for each pair, columns COLUMNS.

    UAs are in percent; p-values are given both uncorrected and after Holm's correction over all pairs.

    Args:
        results: checked results, one for each system.
        params: seed and number of draws of the permutation test.

    Raises:
        UserError: two systems were not tested on the same utterances.
    """
    pairs = [compare(a, b, params) for a, b in combinations(results, 2)]
    permutation = holm([pair.permutation_p for pair in pairs])
    discordant = holm([pair.mcnemar_p for pair in pairs])
    rows = [
        (
            pair.system_a, pair.system_b, round(100 * pair.ua_a, 2), round(100 * pair.ua_b, 2),
            round(100 * pair.difference, 2), _significant(pair.permutation_p), _significant(permutation_holm),
            pair.only_a, pair.only_b, _significant(pair.mcnemar_p), _significant(mcnemar_holm),
        )
        for pair, permutation_holm, mcnemar_holm in zip(pairs, permutation, discordant, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _significant(p: float) -> float:
    return float(f"{p:.4g}")


def _same_utterances(a: SystemResult, b: SystemResult) -> None:
    keys = ["seed", "fold", "id"]
    tested_a, tested_b = (set(result.predictions[keys].itertuples(index=False, name=None)) for result in (a, b))
    for one, other, surplus in ((a, b, tested_a - tested_b), (b, a, tested_b - tested_a)):
        if surplus:
            seed, fold, utterance = min(surplus, key=lambda key: tuple(map(str, key)))
            raise UserError(
                f"{one.system} and {other.system}: {len(surplus)} predictions of {one.system} have no "
                f"counterpart in {other.system} (first: utterance {utterance}, fold {fold}, seed {seed}): "
                "train both systems on the same protocol and seeds (dvc repro)"
            )
    # both are sorted by seed, fold and id
    differs = a.predictions["emotion"].to_numpy() != b.predictions["emotion"].to_numpy()
    if differs.any():
        row = int(np.argmax(differs))
        utterance = a.predictions["id"].iloc[row]
        labels = (a.predictions["emotion"].iloc[row], b.predictions["emotion"].iloc[row])
        raise UserError(
            f"{utterance}: true emotion = {labels[0]} for {a.system}, {labels[1]} for {b.system}: train both "
            "systems on the same table of utterances (dvc repro)"
        )
