"""Who becomes champion: a newcomer has to be better, on the same data, by enough or beyond chance."""

from collections.abc import Callable
from dataclasses import dataclass

from speech_emotion.errors import UserError
from speech_emotion.evaluation.comparison import Pair, compare
from speech_emotion.evaluation.results import SystemResult
from speech_emotion.params import Evaluate, Registry

CHAMPION, CHALLENGER = "champion", "challenger"  # aliases of the registered model


@dataclass(frozen=True)
class Standing:
    """What the gate must know of a model.

    Attributes:
        data: sha256 of the table of utterances.
        tested: hash of which utterance was tested in which fold: another where a budget names some folds alone, or the
            protocol's file was changed.
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
    """The alias that a newcomer takes, and why."""

    alias: str
    reason: str


def decide(
    newcomer: Standing, champion: Standing | None, version: int | None, test: Callable[[], Pair], params: Registry
) -> Decision:
    """Whether a newcomer replaces the champion.

    Args:
        champion: None where there is none; `version` is its number.
        test: the paired test of the newcomer (a) against the champion (b), asked for only where the gain alone does
            not decide.

    Raises:
        UserError: never; where `test` raises it, its words become part of the reason.
    """
    if champion is None:
        return Decision(CHAMPION, "there was no champion")
    held = f"version {version}"
    if newcomer.synthetic and not champion.synthetic:
        return Decision(CHALLENGER, f"not comparable: {newcomer.corpus} is synthetic speech, {held} knows real speech")
    if champion.synthetic and not newcomer.synthetic:
        return Decision(CHAMPION, f"real speech: {held} knows the synthetic corpus {champion.corpus} alone")
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
        return Decision(CHAMPION, f"{words}, at least {params.min_gain_points:g} are asked for")
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
        return Decision(CHALLENGER, f"{words}, but on the seeds that both have it is the worse: {_points(pair)}")
    return Decision(CHAMPION, f"{words}, below {params.alpha:g}")


def paired(newcomer: SystemResult, champion: SystemResult, params: Evaluate) -> Pair:
    """The permutation test by speakers (evaluation.comparison), over the seeds that both have.

    Raises:
        UserError: they share no seed, or were not tested on the same utterances in the same folds.
    """
    if newcomer.labels != champion.labels:
        raise UserError("the two know different emotions")
    return compare(newcomer, champion, params)


def _points(pair: Pair) -> str:
    return f"{100 * pair.difference:+.2f} points"
