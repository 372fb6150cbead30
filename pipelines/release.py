"""Pipeline release: checks the champion of the registry and releases it, unless it was released before."""

import functools
import json

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from components.release_export.component import release_export
from components.release_gate.component import release_gate
from components.release_record.component import release_record
from pipelines.configuring import configured
from pipelines.settings import Settings

NAME = "release"
SECTIONS = ("track", "registry")


def build(settings: Settings, params: str, local: bool = False) -> BaseComponent:
    """The pipeline.

    Args:
        settings: of the cluster.
        params: all of params.yaml as JSON text; two of its sections are the default of the run's parameter params.
        local: for a run on this machine.
    """
    configure = functools.partial(configured, settings=settings, local=local)
    whole = json.loads(params)
    sections = json.dumps({name: whole[name] for name in SECTIONS}, sort_keys=True)

    @dsl.pipeline(name=NAME, description="Checks and releases the champion if it has changed.")
    def pipeline(params: str = sections):
        """The release.

        Args:
            params: The sections track and registry of params.yaml as JSON.
        """
        # the registry changes while all parameters stay the same: gate and record are never cached
        champion = configure(release_gate(params=params)).set_caching_options(False).output
        with dsl.If(champion != "", name="changed"):
            bundle = configure(release_export(params=params, champion=champion)).outputs["bundle"]
            configure(release_record(params=params, champion=champion, bundle=bundle)).set_caching_options(False)

    return pipeline
