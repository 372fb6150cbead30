"""The plan of a run of the search pipeline: a plan with the search enabled, its storage and its workers."""

from collections.abc import Sequence

from speech_emotion.errors import UserError
from speech_emotion.steps.plan import Plan, make_plan

SERVER = "postgresql"


def make_search_plan(
    params: str,
    data_hash: str,
    storage: str,
    trials: int,
    workers: int,
    corpus: str = "",
    systems: Sequence[str] = (),
    overrides: Sequence[str] = (),
    parts: int = 1,
    accelerators: int = 0,
) -> tuple[Plan, list[int]]:
    """Returns the plan of make_plan(), and the numbers of the workers of each system.

    Args:
        params, data_hash, corpus, systems, overrides, parts, accelerators: as for make_plan().
        storage: tune.storage, postgresql://host/name without a password; containers cannot share a file.
        trials: tune.trials, for each study; there is one study for each system and fold.
        workers: number of simultaneous workers of each system.

    Raises:
        UserError: the storage is not a PostgreSQL server, there are no workers, or as for make_plan().
    """
    if not storage.startswith((f"{SERVER}://", f"{SERVER}+")):
        raise UserError(
            f"storage = {storage.partition('://')[0]}...: must be {SERVER}://host/name, which all workers reach"
        )
    if workers < 1:
        raise UserError(f"workers = {workers}: must be at least 1")
    search = ("tune.enabled=true", f"tune.storage={storage}", f"tune.trials={trials}")
    plan = make_plan(params, data_hash, corpus, systems, (*overrides, *search), parts, accelerators)
    return plan, list(range(1, workers + 1))
