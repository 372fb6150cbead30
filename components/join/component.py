"""Component join: the parts of a sharded step become what the unsharded step writes."""

from typing import List  # noqa: UP035

from kfp.dsl import Dataset, Input, Output

from components.base import step_component


@step_component()
def join(key: str, parts: Input[List[Dataset]], joined: Output[Dataset]):  # noqa: UP006
    """Joins the parts of waveforms or of features.

    Args:
        key: What the parts were made of; it is there for Kubeflow's cache alone.
        parts: Folders of all parts.
        joined: One folder with the arrays of all.
    """
    from speech_emotion.steps.component import user_errors
    from speech_emotion.store.parts import join as join_parts

    with user_errors():
        ordered = sorted(parts, key=lambda part: part.metadata["part"])
        join_parts([part.path for part in ordered], joined.path)
