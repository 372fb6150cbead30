"""The part that pipelines have in common: from the corpus to the feature arrays of all utterances."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from kfp import dsl
from kfp.dsl import Dataset, Input
from kfp.dsl.base_component import BaseComponent

from components.augment.component import augment
from components.features.component import features
from components.fetch.component import fetch
from components.ingest.component import ingest
from components.join.component import join
from components.preprocess.component import preprocess
from pipelines.naming import with_own_loops


class Prepared(NamedTuple):
    waveforms: Dataset
    features: Dataset


def preparation(configure: Callable[[dsl.PipelineTask], dsl.PipelineTask]) -> BaseComponent:
    """A nested pipeline that makes waveforms, augmented copies and features, all parts in parallel.

    Args:
        configure: applies the settings to a task.
    """

    @with_own_loops
    @dsl.pipeline(name="prepare")
    def prepare(
        waveforms_key: str, features_key: str, parts: list, data: Input[Dataset], utterances: Input[Dataset]
    ) -> Prepared:
        """Waveforms, augmented copies and features, all parts in parallel."""
        with dsl.ParallelFor(parts) as one:
            preprocessed = configure(
                preprocess(params=one.preprocess, part=one.part, parts=one.parts, data=data, utterances=utterances)
            )
            part = preprocessed.outputs["waveforms"]
            augmented = configure(augment(params=one.augment, waveforms=part))
            extracted = configure(features(params=one.features, waveforms=part, copies=augmented.outputs["copies"]))
        waveforms = configure(join(key=waveforms_key, parts=dsl.Collected(part)))
        arrays = configure(join(key=features_key, parts=dsl.Collected(extracted.outputs["features"])))
        waveforms.set_display_name("join waveforms")
        arrays.set_display_name("join features")
        return Prepared(waveforms.outputs["joined"], arrays.outputs["joined"])

    return prepare


def from_data(
    configure: Callable[[dsl.PipelineTask], dsl.PipelineTask],
    prepare: BaseComponent,
    of: Mapping[str, Any],
    corpus: Any,
    revision: Any,
    data_hash: Any,
) -> tuple[Any, Mapping[str, Any]]:
    """Adds the tasks from the corpus to its arrays to a pipeline.

    Args:
        configure: applies the settings to a task.
        prepare: the nested pipeline that `preparation` returned, made once for the pipeline.
        of: outputs of the plan.
        corpus, revision, data_hash: parameters of the pipeline.

    Returns:
        The table of utterances, and the outputs of `prepare` by name.
    """
    data = configure(fetch(corpus=corpus, revision=revision, data_hash=data_hash)).outputs["data"]
    utterances = configure(ingest(params=of["ingest"], data=data)).outputs["utterances"]
    prepared = prepare(
        waveforms_key=of["waveforms"],
        features_key=of["features"],
        parts=of["parts"],
        data=data,
        utterances=utterances,
    )
    return utterances, prepared.outputs
