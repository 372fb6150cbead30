"""Who becomes champion: a newcomer has to be better, on the same data, by enough or beyond chance."""

from collections.abc import Callable
from dataclasses import dataclass

from speech_emotion.errors import UserError
from speech_emotion.evaluation.comparison import compare
from speech_emotion.evaluation.results import SystemResult
from speech_emotion.params import Evaluate, Registry

CHAMPION, CHALLENGER = "champion", "challenger"  # aliases of the registered model


@dataclass(frozen=True)
class Standing:
    """What the gate must know of a model.

    Attributes:
        data: sha256 of the table of utterances that the protocol tested.
        ua: percent, over the pooled predictions of all folds.
    """

    corpus: str
    protocol: str
    data: str
    synthetic: bool
    ua: float


@dataclass(frozen=True)
class Decision:
    """The alias that a newcomer takes, and why."""

    alias: str
    reason: str


def decide(
    newcomer: Standing, champion: Standing | None, version: int | None, test: Callable[[], float], params: Registry
) -> Decision:
    """Whether a newcomer replaces the champion.

    Args:
        champion: None where there is none; `version` is its number.
        test: two-sided p-value of the paired test between the two, asked for only where the gain alone does not
            decide.

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
    gain = round(newcomer.ua - champion.ua, 2)
    words = f"UA {newcomer.ua:.2f} against {champion.ua:.2f} of {held}: {gain:+.2f} points"
    if gain >= params.min_gain_points and gain > 0:
        return Decision(CHAMPION, f"{words}, at least {params.min_gain_points:g} are asked for")
    if gain <= 0:
        return Decision(CHALLENGER, f"{words}: not better")
    try:
        p = test()
    except UserError as error:
        return Decision(CHALLENGER, f"{words}, below {params.min_gain_points:g}; no paired test: {error}")
    words = f"{words}; paired test p = {p:.4g}"
    if p < params.alpha:
        return Decision(CHAMPION, f"{words}, below {params.alpha:g}")
    return Decision(CHALLENGER, f"{words}: neither {params.min_gain_points:g} points nor p below {params.alpha:g}")


def paired_p(newcomer: SystemResult, champion: SystemResult, params: Evaluate) -> float:
    """Two-sided p-value of the permutation test by speakers (evaluation.comparison), over the seeds that both have.

    Raises:
        UserError: they share no seed, or were not tested on the same utterances in the same folds.
    """
    if newcomer.labels != champion.labels:
        raise UserError("the two know different emotions")
    return compare(newcomer, champion, params).permutation_p
