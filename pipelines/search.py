"""Pipeline search: several workers at once on the studies of each system, any of which may die."""

import functools
import json
from collections.abc import Callable

from kfp import dsl
from kfp.dsl import Dataset, Input
from kfp.dsl.base_component import BaseComponent

from components.search_plan.component import search_plan
from components.search_worker.component import search_worker
from components.tune.component import tune
from pipelines.dressing import dressed
from pipelines.naming import with_own_loops
from pipelines.preparing import from_data, preparation
from pipelines.settings import COLLECT, Settings

NAME = "search"


def searching(dress: Callable[..., dsl.PipelineTask]) -> BaseComponent:
    """The search of all systems as a pipeline within a pipeline: of each its workers, then what they found.

    A worker that fails for good is missed and nothing more: what is left of its trials, and of all others, is settled
    by the task that collects, which is the step tune as `dvc repro` runs it.
    """

    @with_own_loops
    @dsl.pipeline(name="workers")
    def work(
        params: str,
        system: str,
        accelerators: str,
        workers: list,
        utterances: Input[Dataset],
        features: Input[Dataset],
    ):
        """The workers of one system."""
        with dsl.ParallelFor(workers) as worker:
            working = search_worker(
                params=params, system=system, worker=worker, utterances=utterances, features=features
            )
            dress(working, accelerators=accelerators)

    @dsl.pipeline(name="search-system")
    def one_system(
        params: str,
        system: str,
        accelerators: str,
        workers: list,
        utterances: Input[Dataset],
        features: Input[Dataset],
    ):
        """Workers, then the tables."""
        working = work(
            params=params,
            system=system,
            accelerators=accelerators,
            workers=workers,
            utterances=utterances,
            features=features,
        )
        collected = tune(params=params, system=system, utterances=utterances, features=features)
        dress(collected, step=COLLECT, accelerators=accelerators).after(working).ignore_upstream_failure()
        collected.set_display_name("collect")

    @with_own_loops
    @dsl.pipeline(name="systems")
    def each_system(systems: list, workers: list, utterances: Input[Dataset], features: Input[Dataset]):
        """The search, system by system at once."""
        with dsl.ParallelFor(systems) as one:
            one_system(
                params=one.tune,
                system=one.system,
                accelerators=one.accelerators,
                workers=workers,
                utterances=utterances,
                features=features,
            )

    return each_system


def build(settings: Settings, params: str, local: bool = False) -> BaseComponent:
    """The pipeline.

    Args:
        settings: of the cluster.
        params: all of params.yaml as JSON text, which a run takes where it is given no other.
        local: for a run on this machine.
    """
    dress = functools.partial(dressed, settings=settings, local=local)
    prepare, search = preparation(dress), searching(dress)
    defaults = json.loads(params)

    @dsl.pipeline(name=NAME, description="Hyper-parameters of each system and fold, by several workers on PostgreSQL.")
    def pipeline(
        revision: str,
        data_hash: str,
        storage: str,
        trials: int = defaults["tune"]["trials"],
        workers: int = 4,
        corpus: str = defaults["corpus"],
        systems: list = [],  # noqa: B006
        shards: int = 1,
        overrides: list = [],  # noqa: B006
        params: str = params,
    ):
        """The search for hyper-parameters.

        Args:
            revision: Commit, tag or branch whose data.dvc is meant.
            data_hash: Hash of the corpus's files, as python -m pipelines data-hash tells it.
            storage: The database of the studies, postgresql://host/name; user and password come from a secret.
            trials: How many trials each study settles; there is one study a system and fold.
            workers: How many workers each system has at once.
            corpus: Corpus to work on.
            systems: Systems to search for; none means the candidates of params, or of the budget of another corpus.
            shards: Into how many parts the utterances are cut for preprocess, augment and features.
            overrides: KEY=VALUE each, for example ["tune.seed=5"].
            params: All of params.yaml as JSON.
        """
        of = (
            dress(
                search_plan(
                    params=params,
                    data_hash=data_hash,
                    corpus=corpus,
                    systems=systems,
                    overrides=overrides,
                    shards=shards,
                    storage=storage,
                    trials=trials,
                    workers=workers,
                    accelerators=settings.gpu.count,
                )
            )
            .set_caching_options(False)  # what it says depends on the code too
            .outputs
        )
        utterances, prepared = from_data(dress, prepare, of, corpus, revision, data_hash)
        search(systems=of["systems"], workers=of["workers"], utterances=utterances, features=prepared["features"])

    return pipeline
