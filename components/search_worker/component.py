"""Component search_worker: one of several workers of a system's search."""

from kfp.dsl import Dataset, Input

from components.base import step_component


@step_component()
def search_worker(params: str, system: str, worker: int, utterances: Input[Dataset], features: Input[Dataset]):
    """Tries hyper-parameters until every trial of the system's studies is settled, by this worker or by others.

    It may be killed at any time: another worker tries its trial again.

    Args:
        params: The sections of params that the step tune declares, as JSON.
        system: Which system.
        worker: Its number; nothing depends on it.
        utterances: The table of utterances.
        features: Feature arrays of all utterances.
    """
    from speech_emotion.steps.component import run_search_worker

    run_search_worker(params, {"utterances": utterances.path, "features": features.path}, system)
