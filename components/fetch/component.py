"""Component fetch: the corpus of a revision, from the project's repository and its DVC remote."""

from kfp.dsl import Dataset, Output

from components.base import step_component


@step_component()
def fetch(corpus: str, revision: str, data_hash: str, data: Output[Dataset]):
    """Brings one corpus, and refuses files other than those that the run is about.

    Args:
        corpus: Which corpus of data/.
        revision: Commit, tag or branch of the project whose data.dvc is meant.
        data_hash: Hash of the corpus's files, as DVC makes it; other files end the run.
        data: The corpus as it lies in data/.
    """
    from pathlib import Path

    from speech_emotion.corpora.remote import bring
    from speech_emotion.steps.component import user_errors

    with user_errors():
        bring(corpus, revision, data_hash, Path(data.path))
    data.metadata.update({"corpus": corpus, "revision": revision, "data_hash": data_hash})
