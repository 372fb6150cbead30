"""Component gather: the outputs of the systems' own steps, one folder for each system."""

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
    """Gathers the results of all systems.

    Args:
        key: A hash of everything that the results depend on; only Kubeflow's cache uses it.
        bests: The search results of each system.
        traineds: The training results of each system.
        tuned: The searches of all systems.
        trained: The trainings of all systems.
    """
    import shutil

    for sources, target in ((bests, tuned), (traineds, trained)):
        for source in sources:
            shutil.copytree(source.path, f"{target.path}/{source.metadata['system']}")
