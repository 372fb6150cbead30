"""Pipeline search: several workers in parallel on the studies of each system; any of them may be killed."""

import functools
import json
from collections.abc import Callable

from kfp import dsl
from kfp.dsl import Dataset, Input
from kfp.dsl.base_component import BaseComponent

from components.search_plan.component import search_plan
from components.search_worker.component import search_worker
from components.tune.component import tune
from pipelines.configuring import configured
from pipelines.naming import with_own_loops
from pipelines.preparing import from_data, preparation
from pipelines.settings import COLLECT, Settings

NAME = "search"


def searching(configure: Callable[..., dsl.PipelineTask]) -> BaseComponent:
    """A nested pipeline that searches for all systems: the workers of each system, then a task that collects results.

    A search survives workers that fail for good: the collecting task, which is the step tune as `dvc repro` runs it,
    finishes the trials that are left.

    Args:
        configure: applies the settings to a task.
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
            configure(working, accelerators=accelerators)

    @dsl.pipeline(name="search-system")
    def one_system(
        params: str,
        system: str,
        accelerators: str,
        workers: list,
        utterances: Input[Dataset],
        features: Input[Dataset],
    ):
        """The workers, then the task that collects."""
        working = work(
            params=params,
            system=system,
            accelerators=accelerators,
            workers=workers,
            utterances=utterances,
            features=features,
        )
        collected = tune(params=params, system=system, utterances=utterances, features=features)
        configure(collected, step=COLLECT, accelerators=accelerators).after(working).ignore_upstream_failure()
        collected.set_display_name("collect")

    @with_own_loops
    @dsl.pipeline(name="systems")
    def each_system(systems: list, workers: list, utterances: Input[Dataset], features: Input[Dataset]):
        """The search, all systems in parallel."""
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
        params: all of params.yaml as JSON text, the default of the run's parameter params.
        local: for a run on this machine.
    """
    configure = functools.partial(configured, settings=settings, local=local)
    prepare, search = preparation(configure), searching(configure)
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
            revision: Commit, tag or branch whose data.dvc is used.
            data_hash: Hash of the corpus's files, as python -m pipelines data-hash prints it.
            storage: The database of the studies, postgresql://host/name; user and password come from a secret.
            trials: Number of trials of each study; there is one study for each system and fold.
            workers: Number of parallel workers for each system.
            corpus: Corpus to work on.
            systems: Systems to search for; by default the candidates of params, or of the corpus's budget.
            shards: Number of parts of the utterances for preprocess, augment and features.
            overrides: Changes of params as KEY=VALUE, for example ["tune.seed=5"].
            params: All of params.yaml as JSON.
        """
        of = (
            configure(
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
            .set_caching_options(False)  # its outputs depend on the code too
            .outputs
        )
        utterances, prepared = from_data(configure, prepare, of, corpus, revision, data_hash)
        search(systems=of["systems"], workers=of["workers"], utterances=utterances, features=prepared["features"])

    return pipeline
