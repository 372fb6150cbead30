"""Pipeline release: the champion out of the registry, checked; nothing where it was released before."""

import functools
import json

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from components.release_export.component import release_export
from components.release_gate.component import release_gate
from components.release_record.component import release_record
from pipelines.dressing import dressed
from pipelines.settings import Settings

NAME = "release"
SECTIONS = ("track", "registry")


def build(settings: Settings, params: str, local: bool = False) -> BaseComponent:
    """The pipeline.

    Args:
        settings: of the cluster.
        params: all of params.yaml as JSON text; a run takes two sections of it where it is given no other.
        local: for a run on this machine.
    """
    dress = functools.partial(dressed, settings=settings, local=local)
    whole = json.loads(params)
    sections = json.dumps({name: whole[name] for name in SECTIONS}, sort_keys=True)

    @dsl.pipeline(name=NAME, description="The champion, checked, as files; nothing where it has not changed.")
    def pipeline(params: str = sections):
        """The release.

        Args:
            params: The sections track and registry of params.yaml as JSON.
        """
        # the registry changes without any parameter's change: gate and record are never taken from a cache
        champion = dress(release_gate(params=params)).set_caching_options(False).output
        with dsl.If(champion != "", name="changed"):
            bundle = dress(release_export(params=params, champion=champion)).outputs["bundle"]
            dress(release_record(params=params, champion=champion, bundle=bundle)).set_caching_options(False)

    return pipeline
