"""Component fetch: the corpus of a revision, from the project's repository and its DVC remote."""

from kfp.dsl import Dataset, Output

from components.base import step_component


@step_component()
def fetch(corpus: str, revision: str, data_hash: str, data: Output[Dataset]):
    """Fetches one corpus, and fails if its files are not those that the run expects.

    Args:
        corpus: Name of the corpus, a folder of data/.
        revision: Commit, tag or branch of the project whose data.dvc is used.
        data_hash: Hash of the corpus's files as DVC computes it; the run ends if they differ.
        data: The corpus as in data/.
    """
    from pathlib import Path

    from speech_emotion.corpora.remote import bring
    from speech_emotion.steps.component import user_errors

    with user_errors():
        bring(corpus, revision, data_hash, Path(data.path))
    data.metadata.update({"corpus": corpus, "revision": revision, "data_hash": data_hash})
