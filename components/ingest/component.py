"""Component ingest: a corpus's files become the table of utterances, or are rejected with the reason."""

from kfp.dsl import Dataset, Input, Markdown, Output

from components.base import step_component


@step_component()
def ingest(params: str, data: Input[Dataset], utterances: Output[Dataset], report: Output[Markdown]):
    """Reads the corpus into one table of utterances, and rejects files that cannot be used.

    Args:
        params: The sections of params that the step declares, as JSON.
        data: The corpus as in data/.
        utterances: The table, the rejected files, and statistics of both.
        report: Statistics of the corpus, and each rejected file with its reason.
    """
    from speech_emotion.steps.component import run_component

    run_component("ingest", params, {"data": data.path}, {"utterances": utterances.path}, reports={"report": report})
