"""Pipeline train: the whole graph, from the data of a revision to a registered model."""

import functools
import json
from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model
from kfp.dsl.base_component import BaseComponent

from components.evaluate.component import evaluate
from components.export.component import export
from components.gather.component import gather
from components.plan.component import plan
from components.register.component import register
from components.select.component import select
from components.track.component import track
from components.train.component import train
from components.tune.component import tune
from pipelines.configuring import configured
from pipelines.naming import with_own_loops
from pipelines.preparing import from_data, preparation
from pipelines.settings import Settings
from speech_emotion.steps.component import TRACK_VARIABLE
from speech_emotion.store.hashing import canonical_json

NAME = "train"


class Results(NamedTuple):
    tuned: Artifact
    trained: Model


class Fitted(NamedTuple):
    best: Artifact
    trained: Model


def build(settings: Settings, params: str, local: bool = False) -> BaseComponent:
    """The pipeline.

    Args:
        settings: of the cluster.
        params: all of params.yaml as JSON text, the default of the run's parameter params.
        local: for a run on this machine.
    """
    configure = functools.partial(configured, settings=settings, local=local)
    defaults = json.loads(params)
    prepare = preparation(configure)

    # a pipeline of its own: kfp can take the number of accelerators from a pipeline's parameter, not from a loop's item
    @dsl.pipeline(name="system")
    def one_system(
        search: str,
        training: str,
        system: str,
        accelerators: str,
        utterances: Input[Dataset],
        features: Input[Dataset],
    ) -> NamedTuple("Fitted", best=Artifact, trained=Model):
        """The search, then the training."""
        found = tune(params=search, system=system, utterances=utterances, features=features)
        best = configure(found, accelerators=accelerators).outputs["best"]
        fitted = train(params=training, system=system, utterances=utterances, features=features, best=best)
        configure(fitted, accelerators=accelerators)
        if not local:  # local runs take it from the environment
            fitted.set_env_variable(TRACK_VARIABLE, canonical_json(defaults["track"]))
        return Fitted(best, fitted.outputs["trained"])

    @with_own_loops
    @dsl.pipeline(name="systems")
    def each_system(key: str, systems: list, utterances: Input[Dataset], features: Input[Dataset]) -> NamedTuple(
        "Results", tuned=Artifact, trained=Model
    ):
        """Search and training, all systems in parallel."""
        with dsl.ParallelFor(systems) as one:
            fitted = one_system(
                search=one.tune,
                training=one.train,
                system=one.system,
                accelerators=one.accelerators,
                utterances=utterances,
                features=features,
            )
        results = configure(
            gather(
                key=key,
                bests=dsl.Collected(fitted.outputs["best"]),
                traineds=dsl.Collected(fitted.outputs["trained"]),
            )
        )
        return Results(results.outputs["tuned"], results.outputs["trained"])

    @dsl.pipeline(name=NAME, description="The whole graph: corpus to trained, compared, exported, registered systems.")
    def pipeline(
        revision: str,
        data_hash: str,
        corpus: str = defaults["corpus"],
        systems: list = [],  # noqa: B006
        shards: int = 1,
        overrides: list = [],  # noqa: B006
        params: str = params,
    ):
        """The whole graph.

        Args:
            revision: Commit, tag or branch whose data.dvc is used.
            data_hash: Hash of the corpus's files, as python -m pipelines data-hash prints it.
            corpus: Corpus to work on.
            systems: Systems to train and rank; by default the candidates of params, or of the corpus's budget.
            shards: Number of parts of the utterances for preprocess, augment and features.
            overrides: Changes of params as KEY=VALUE, for example ["train.patience=5"].
            params: All of params.yaml as JSON.
        """
        planned = configure(
            plan(
                params=params,
                data_hash=data_hash,
                corpus=corpus,
                systems=systems,
                overrides=overrides,
                shards=shards,
                accelerators=settings.gpu.count,
            )
        ).set_caching_options(False)  # its outputs depend on the code too
        of = planned.outputs
        utterances, prepared = from_data(configure, prepare, of, corpus, revision, data_hash)
        results = each_system(
            key=of["results"], systems=of["systems"], utterances=utterances, features=prepared["features"]
        ).outputs
        evaluation = configure(
            evaluate(params=of["evaluate"], utterances=utterances, trained=results["trained"])
        ).outputs["evaluation"]
        selected = configure(
            select(
                params=of["select"],
                utterances=utterances,
                features=prepared["features"],
                trained=results["trained"],
                evaluation=evaluation,
            )
        ).outputs["selected"]
        exported = configure(
            export(
                params=of["export"],
                selected=selected,
                waveforms=prepared["waveforms"],
                utterances=utterances,
                trained=results["trained"],
                features=prepared["features"],
            )
        ).outputs["exported"]
        tracked = configure(
            track(
                params=of["track"],
                utterances=utterances,
                tuned=results["tuned"],
                trained=results["trained"],
                evaluation=evaluation,
                selected=selected,
                exported=exported,
            )
        ).set_caching_options(False)  # it writes to the store, as register does
        configure(
            register(
                params=of["register"],
                tracked=tracked.outputs["tracked"],
                trained=results["trained"],
                exported=exported,
            )
        ).set_caching_options(False)

    return pipeline
