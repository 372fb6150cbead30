"""Component tune: searches for the hyper-parameters of one system if params turn the search on."""

from kfp.dsl import HTML, Artifact, Dataset, Input, Output

from components.base import step_component


@step_component()
def tune(
    params: str,
    system: str,
    utterances: Input[Dataset],
    features: Input[Dataset],
    best: Output[Artifact],
    report: Output[HTML],
):
    """Searches for hyper-parameters on inner speakers, for each outer fold; the output is empty if the search is off.

    Args:
        params: The sections of params that the step declares, as JSON.
        system: Name of the system.
        utterances: The table of utterances.
        features: Feature arrays of all utterances.
        best: The hyper-parameters found for each fold, and the trials.
        report: The course of the search and the importance of each hyper-parameter.
    """
    from speech_emotion.steps.component import run_component

    run_component(
        "tune",
        params,
        {"utterances": utterances.path, "features": features.path},
        {"best": best.path},
        system=system,
        reports={"report": report},
    )
    best.metadata["system"] = system
