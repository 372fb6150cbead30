"""Component plan: the params and inputs of each step of a run."""

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
    """Checks the params as a whole and splits them into the sections that each step declares; is never cached.

    Args:
        params: All of params.yaml as JSON.
        data_hash: Hash of the corpus's files.
        corpus: Corpus to work on; empty for that of params.
        systems: Systems to train and rank; an empty list for the candidates of params.
        overrides: Changes of params as KEY=VALUE, for example ["train.patience=5"].
        shards: Number of parts of the utterances for preprocess, augment and features.
        accelerators: Number of GPUs of each pod that trains a network; pods of other systems get none.

    Returns:
        Params of each step that runs once, keys for the joins, and for the loops one record for each system and part.
    """
    from collections import namedtuple

    from speech_emotion.steps.component import user_errors
    from speech_emotion.steps.plan import make_plan

    with user_errors():
        made = make_plan(params, data_hash, corpus, systems, overrides, shards, accelerators)
    outputs = {**made.steps, **made.joins, "systems": made.systems, "parts": made.parts}
    return namedtuple("Plan", outputs)(**outputs)
