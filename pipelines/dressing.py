"""How a task of a pipeline is dressed: its image, and what the settings of the cluster say of its step."""

from kfp import dsl
from kfp.dsl.pipeline_channel import PipelineParameterChannel

from pipelines.images import image
from pipelines.settings import Settings, apply


def dressed(
    task: dsl.PipelineTask,
    settings: Settings,
    local: bool = False,
    step: str = "",
    accelerators: PipelineParameterChannel | None = None,
) -> dsl.PipelineTask:
    """The task with image, resources, retries and whatever else the settings say.

    Args:
        local: for a run on this machine: its own image, and retries alone.
        step: as pipelines/cluster.yaml names it; by default as its component is called.
        accelerators: parameter of the pipeline that says, as text, how many of them this task's system has use for; by
            default it is given what the settings say.
    """
    step = step or task.component_spec.name
    task.set_container_image(image(settings.uses_gpu(step), local))
    return apply(task, step, settings, local, accelerators)
