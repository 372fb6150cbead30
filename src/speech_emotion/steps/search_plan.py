"""What a run of the search pipeline hands to its components: a plan with the search on, its storage and its workers."""

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
    """The plan, as make_plan() gives it, and the numbers of the workers of each system.

    Args:
        storage: tune.storage, postgresql://host/name without a password: containers share no file.
        trials: tune.trials, of each study; one study a system and fold.
        workers: of each system, at once.

    Raises:
        UserError: a storage that is no PostgreSQL server, no worker, or as make_plan().
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
