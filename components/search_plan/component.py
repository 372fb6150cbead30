"""Component search_plan: what each step of a search is handed."""

from typing import NamedTuple

from components.base import step_component


@step_component()
def search_plan(
    params: str,
    data_hash: str,
    corpus: str,
    systems: list,
    overrides: list,
    shards: int,
    storage: str,
    trials: int,
    workers: int,
    accelerators: int,
) -> NamedTuple("SearchPlan", ingest=str, waveforms=str, features=str, systems=list, parts=list, workers=list):
    """Checks the params as a whole and cuts them into what each step declares; is never taken from a cache.

    Args:
        params: All of params.yaml as JSON.
        data_hash: Hash of the corpus's files.
        corpus: Corpus to work on, in place of that of params; empty leaves it.
        systems: Systems to search for, in place of candidates; none leaves them.
        overrides: KEY=VALUE each, for example ["tune.seed=5"].
        shards: Into how many parts the utterances are cut for preprocess, augment and features.
        storage: The database of the studies, postgresql://host/name without a password.
        trials: How many trials each study settles; there is one study a system and fold.
        workers: How many workers each system has at once.
        accelerators: How many GPUs each pod that trains a network asks for; those of other systems ask for none.

    Returns:
        Params of ingest, keys for the joins, and for the loops a record a system and a part, and a number a worker.
    """
    from collections import namedtuple

    from speech_emotion.steps.component import user_errors
    from speech_emotion.steps.search_plan import make_search_plan

    with user_errors():
        made, numbers = make_search_plan(
            params, data_hash, storage, trials, workers, corpus, systems, overrides, shards, accelerators
        )
    outputs = {
        "ingest": made.steps["ingest"],
        "waveforms": made.joins["waveforms"],
        "features": made.joins["features"],
        "systems": made.systems,
        "parts": made.parts,
        "workers": numbers,
    }
    return namedtuple("SearchPlan", outputs)(**outputs)
