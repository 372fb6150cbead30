"""Configures the tasks of a pipeline: their image, and the cluster's settings for their step."""

from kfp import dsl
from kfp.dsl.pipeline_channel import PipelineParameterChannel

from pipelines.images import image
from pipelines.settings import Settings, apply


def configured(
    task: dsl.PipelineTask,
    settings: Settings,
    local: bool = False,
    step: str = "",
    accelerators: PipelineParameterChannel | None = None,
) -> dsl.PipelineTask:
    """Sets a task's image, resources, retries and everything else in the settings, and returns the task.

    Args:
        task: of any component.
        settings: of the cluster.
        local: for a run on this machine, which uses the local image and of the settings only the retries.
        step: its name in pipelines/cluster.yaml; by default the component's name.
        accelerators: parameter of the pipeline with the number of GPUs for this task's system, as text; by default the
            number in the settings.
    """
    step = step or task.component_spec.name
    task.set_container_image(image(settings.uses_gpu(step), local))
    return apply(task, step, settings, local, accelerators)
