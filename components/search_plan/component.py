"""Component search_plan: the params and inputs of each step of a search."""

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
    """Checks the params as a whole and splits them into the sections that each step declares; is never cached.

    Args:
        params: All of params.yaml as JSON.
        data_hash: Hash of the corpus's files.
        corpus: Corpus to work on; empty for that of params.
        systems: Systems to search for; an empty list for the candidates of params.
        overrides: Changes of params as KEY=VALUE, for example ["tune.seed=5"].
        shards: Number of parts of the utterances for preprocess, augment and features.
        storage: The database of the studies, postgresql://host/name without a password.
        trials: Number of trials of each study; there is one study for each system and fold.
        workers: Number of parallel workers for each system.
        accelerators: Number of GPUs of each pod that trains a network; pods of other systems get none.

    Returns:
        Params of ingest, keys for the joins, and for the loops one record for each system and part, and worker numbers.
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
