"""Component ingest: a corpus's files become the table of utterances, or are set aside with the reason."""

from kfp.dsl import Dataset, Input, Markdown, Output

from components.base import step_component


@step_component()
def ingest(params: str, data: Input[Dataset], utterances: Output[Dataset], report: Output[Markdown]):
    """Reads the corpus into one table of utterances, sets aside what cannot be used.

    Args:
        params: The sections of params that the step declares, as JSON.
        data: The corpus as it lies in data/.
        utterances: The table, what was set aside, and figures of both.
        report: The corpus in figures, and each file set aside with its reason.
    """
    from speech_emotion.steps.component import run_component

    run_component("ingest", params, {"data": data.path}, {"utterances": utterances.path}, reports={"report": report})
