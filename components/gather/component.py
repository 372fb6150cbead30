"""Component gather: what the systems' own steps wrote, one folder a system."""

from typing import List  # noqa: UP035

from kfp.dsl import Artifact, Input, Model, Output

from components.base import step_component


@step_component()
def gather(
    key: str,
    bests: Input[List[Artifact]],  # noqa: UP006
    traineds: Input[List[Model]],  # noqa: UP006
    tuned: Output[Artifact],
    trained: Output[Model],
):
    """Brings the results of all systems together.

    Args:
        key: What the results were made of; it is there for Kubeflow's cache alone.
        bests: What the search found, of each system.
        traineds: What the training of each system left.
        tuned: The searches of all systems.
        trained: The trainings of all systems.
    """
    import shutil

    for sources, target in ((bests, tuned), (traineds, trained)):
        for source in sources:
            shutil.copytree(source.path, f"{target.path}/{source.metadata['system']}")
