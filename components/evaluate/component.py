"""Component evaluate: compares the systems."""

from kfp.dsl import HTML, Artifact, ClassificationMetrics, Dataset, Input, Markdown, Metrics, Model, Output

from components.base import step_component


@step_component()
def evaluate(
    params: str,
    utterances: Input[Dataset],
    trained: Input[Model],
    evaluation: Output[Artifact],
    metrics: Output[Metrics],
    confusion: Output[ClassificationMetrics],
    table: Output[Markdown],
    report: Output[HTML],
):
    """Computes metrics, confusion matrices and paired tests between the systems, and writes the report.

    Args:
        params: The sections of params that the step declares, as JSON.
        utterances: The table of utterances.
        trained: The trainings of all systems.
        evaluation: Metrics, comparison, figures and the report, as files.
        metrics: UA, WA, macro F1 and calibration error of each system.
        confusion: Confusion matrix of the system with the best UA.
        table: The systems side by side, and how they were measured.
        report: The same as a page with figures.
    """
    from speech_emotion.steps.component import run_component

    run_component(
        "evaluate",
        params,
        {"utterances": utterances.path, "trained": trained.path},
        {"evaluation": evaluation.path},
        reports={"metrics": metrics, "confusion": confusion, "table": table, "report": report},
    )
