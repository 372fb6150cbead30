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
from pipelines.dressing import dressed
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
        params: all of params.yaml as JSON text, which a run takes where it is given no other.
        local: for a run on this machine.
    """
    dress = functools.partial(dressed, settings=settings, local=local)
    defaults = json.loads(params)
    prepare = preparation(dress)

    # its own, since kfp takes the number of accelerators from a parameter of a pipeline, and not from a loop's record
    @dsl.pipeline(name="system")
    def one_system(
        search: str,
        training: str,
        system: str,
        accelerators: str,
        utterances: Input[Dataset],
        features: Input[Dataset],
    ) -> NamedTuple("Fitted", best=Artifact, trained=Model):
        """Search, then training."""
        found = tune(params=search, system=system, utterances=utterances, features=features)
        best = dress(found, accelerators=accelerators).outputs["best"]
        fitted = train(params=training, system=system, utterances=utterances, features=features, best=best)
        dress(fitted, accelerators=accelerators)
        if not local:  # here the process's environment says it
            fitted.set_env_variable(TRACK_VARIABLE, canonical_json(defaults["track"]))
        return Fitted(best, fitted.outputs["trained"])

    @with_own_loops
    @dsl.pipeline(name="systems")
    def each_system(key: str, systems: list, utterances: Input[Dataset], features: Input[Dataset]) -> NamedTuple(
        "Results", tuned=Artifact, trained=Model
    ):
        """Search and training, system by system at once."""
        with dsl.ParallelFor(systems) as one:
            fitted = one_system(
                search=one.tune,
                training=one.train,
                system=one.system,
                accelerators=one.accelerators,
                utterances=utterances,
                features=features,
            )
        results = dress(
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
            revision: Commit, tag or branch whose data.dvc is meant.
            data_hash: Hash of the corpus's files, as python -m pipelines data-hash tells it.
            corpus: Corpus to work on.
            systems: Systems to train and rank; none means the candidates of params, or of the budget of another corpus.
            shards: Into how many parts the utterances are cut for preprocess, augment and features.
            overrides: KEY=VALUE each, for example ["train.patience=5"].
            params: All of params.yaml as JSON.
        """
        planned = dress(
            plan(
                params=params,
                data_hash=data_hash,
                corpus=corpus,
                systems=systems,
                overrides=overrides,
                shards=shards,
                accelerators=settings.gpu.count,
            )
        ).set_caching_options(False)  # what it says depends on the code too
        of = planned.outputs
        utterances, prepared = from_data(dress, prepare, of, corpus, revision, data_hash)
        results = each_system(
            key=of["results"], systems=of["systems"], utterances=utterances, features=prepared["features"]
        ).outputs
        evaluation = dress(evaluate(params=of["evaluate"], utterances=utterances, trained=results["trained"])).outputs[
            "evaluation"
        ]
        selected = dress(
            select(
                params=of["select"],
                utterances=utterances,
                features=prepared["features"],
                trained=results["trained"],
                evaluation=evaluation,
            )
        ).outputs["selected"]
        exported = dress(
            export(
                params=of["export"],
                selected=selected,
                waveforms=prepared["waveforms"],
                utterances=utterances,
                trained=results["trained"],
                features=prepared["features"],
            )
        ).outputs["exported"]
        tracked = dress(
            track(
                params=of["track"],
                utterances=utterances,
                tuned=results["tuned"],
                trained=results["trained"],
                evaluation=evaluation,
                selected=selected,
                exported=exported,
            )
        ).set_caching_options(False)  # what it makes lies in the store, and so with register
        dress(
            register(
                params=of["register"],
                tracked=tracked.outputs["tracked"],
                trained=results["trained"],
                exported=exported,
            )
        ).set_caching_options(False)

    return pipeline
