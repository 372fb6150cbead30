"""Component join: joins the parts of a sharded step into the output of the unsharded step."""

from typing import List  # noqa: UP035

from kfp.dsl import Dataset, Input, Output

from components.base import step_component


@step_component()
def join(key: str, parts: Input[List[Dataset]], joined: Output[Dataset]):  # noqa: UP006
    """Joins the parts of waveforms or features.

    Args:
        key: A hash of everything that the parts depend on; only Kubeflow's cache uses it.
        parts: The folders of all parts.
        joined: One folder with all arrays.
    """
    from speech_emotion.steps.component import user_errors
    from speech_emotion.store.parts import join as join_parts

    with user_errors():
        ordered = sorted(parts, key=lambda part: part.metadata["part"])
        join_parts([part.path for part in ordered], joined.path)
