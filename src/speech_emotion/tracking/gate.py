"""Decides which model is champion: a new one must be better on the same data, by enough points or significantly."""

from collections.abc import Callable
from dataclasses import dataclass

from speech_emotion.errors import UserError
from speech_emotion.evaluation.comparison import Pair, compare
from speech_emotion.evaluation.results import SystemResult
from speech_emotion.params import Evaluate, Registry

CHAMPION, CHALLENGER = "champion", "challenger"  # aliases of the registered model


@dataclass(frozen=True)
class Standing:
    """What the gate needs to know about a model.

    Attributes:
        data: sha256 of the table of utterances.
        tested: hash of which utterance was tested in which fold; it differs if a budget names only some folds, or if
            the protocol's file was changed.
        synthetic: whether the corpus is synthetic speech.
        ua: percent, over the pooled predictions of all folds.
    """

    corpus: str
    protocol: str
    data: str
    tested: str
    synthetic: bool
    ua: float


@dataclass(frozen=True)
class Decision:
    """The alias that a newcomer gets, and why."""

    alias: str
    reason: str


def decide(
    newcomer: Standing, champion: Standing | None, version: int | None, test: Callable[[], Pair], params: Registry
) -> Decision:
    """Whether a newcomer replaces the champion.

    Args:
        newcomer: the new model.
        champion: None if there is none.
        version: the champion's version number; None if there is none.
        test: runs the paired test of the newcomer (a) against the champion (b); called only if the gain in UA does not
            decide. If it raises UserError, the message becomes part of the reason.
        params: thresholds of the gate.
    """
    if champion is None:
        return Decision(CHAMPION, "there was no champion")
    held = f"version {version}"
    if newcomer.synthetic and not champion.synthetic:
        return Decision(CHALLENGER, f"not comparable: {newcomer.corpus} is synthetic speech, {held} is of real speech")
    if champion.synthetic and not newcomer.synthetic:
        return Decision(CHAMPION, f"real speech: {held} is of the synthetic corpus {champion.corpus}")
    for name in ("corpus", "protocol", "data"):
        ours, theirs = getattr(newcomer, name), getattr(champion, name)
        if ours != theirs:
            if name == "data":
                ours, theirs = ours[:12], theirs[:12]
            return Decision(CHALLENGER, f"not comparable: {name} {ours}, where {held} has {theirs}")
    if newcomer.tested != champion.tested:
        reason = f"other folds or utterances were tested than for {held} (budgets.{newcomer.corpus}.folds, protocols/)"
        return Decision(CHALLENGER, f"not comparable: {reason}")
    gain = round(newcomer.ua - champion.ua, 2)
    words = f"UA {newcomer.ua:.2f} against {champion.ua:.2f} of {held}: {gain:+.2f} points"
    if gain >= params.min_gain_points and gain > 0:
        return Decision(CHAMPION, f"{words}, at least {params.min_gain_points:g} are required")
    if gain <= 0:
        return Decision(CHALLENGER, f"{words}: not better")
    try:
        pair = test()
    except UserError as error:
        return Decision(CHALLENGER, f"{words}, below {params.min_gain_points:g}; no paired test: {error}")
    p = pair.permutation_p
    words = f"{words}; paired test p = {p:.4g}"
    if p >= params.alpha:
        return Decision(CHALLENGER, f"{words}: neither {params.min_gain_points:g} points nor p below {params.alpha:g}")
    if pair.difference <= 0:
        return Decision(CHALLENGER, f"{words}, but it is worse on the seeds that both have: {_points(pair)}")
    return Decision(CHAMPION, f"{words}, below {params.alpha:g}")


def paired(newcomer: SystemResult, champion: SystemResult, params: Evaluate) -> Pair:
    """The permutation test by speakers (evaluation.comparison), over the seeds that both have.

    Raises:
        UserError: they have different emotions, share no seed, or were not tested on the same utterances in the same
            folds.
    """
    if newcomer.labels != champion.labels:
        raise UserError("the two models have different emotions")
    return compare(newcomer, champion, params)


def _points(pair: Pair) -> str:
    return f"{100 * pair.difference:+.2f} points"
