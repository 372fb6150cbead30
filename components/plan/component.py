"""Component plan: what each step of a run is handed."""

from typing import NamedTuple

from components.base import step_component


@step_component()
def plan(
    params: str,
    data_hash: str,
    corpus: str,
    systems: list,
    overrides: list,
    shards: int,
    accelerators: int,
) -> NamedTuple(
    "Plan",
    ingest=str,
    evaluate=str,
    select=str,
    export=str,
    track=str,
    register=str,
    waveforms=str,
    features=str,
    results=str,
    systems=list,
    parts=list,
):
    """Checks the params as a whole and cuts them into what each step declares; is never taken from a cache.

    Args:
        params: All of params.yaml as JSON.
        data_hash: Hash of the corpus's files.
        corpus: Corpus to work on, in place of that of params; empty leaves it.
        systems: Systems to train and rank, in place of candidates; none leaves them.
        overrides: KEY=VALUE each, for example ["train.patience=5"].
        shards: Into how many parts the utterances are cut for preprocess, augment and features.
        accelerators: How many GPUs each pod that trains a network asks for; those of other systems ask for none.

    Returns:
        Params of each step that has one instance, keys for the joins, and for the loops a record a system and a part.
    """
    from collections import namedtuple

    from speech_emotion.steps.component import user_errors
    from speech_emotion.steps.plan import make_plan

    with user_errors():
        made = make_plan(params, data_hash, corpus, systems, overrides, shards, accelerators)
    outputs = {**made.steps, **made.joins, "systems": made.systems, "parts": made.parts}
    return namedtuple("Plan", outputs)(**outputs)
