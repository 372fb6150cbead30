"""Component search_worker: one of several workers of a system's search."""

from kfp.dsl import Dataset, Input

from components.base import step_component


@step_component()
def search_worker(params: str, system: str, worker: int, utterances: Input[Dataset], features: Input[Dataset]):
    """Tries hyper-parameters until all trials of the system's studies are finished, by this worker or by others.

    It may be killed at any time: another worker then repeats its trial.

    Args:
        params: The sections of params that the step tune declares, as JSON.
        system: Name of the system.
        worker: Number of the worker; no result depends on it.
        utterances: The table of utterances.
        features: Feature arrays of all utterances.
    """
    from speech_emotion.steps.component import run_search_worker

    run_search_worker(params, {"utterances": utterances.path, "features": features.path}, system)
