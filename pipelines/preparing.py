"""The first part of several pipelines: from the corpus to the feature arrays of all utterances."""

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


def preparation(dress: Callable[[dsl.PipelineTask], dsl.PipelineTask]) -> BaseComponent:
    """Waveforms, copies and features, part by part at once, as a pipeline within a pipeline.

    Args:
        dress: gives a task what the settings say.
    """

    @with_own_loops
    @dsl.pipeline(name="prepare")
    def prepare(
        waveforms_key: str, features_key: str, parts: list, data: Input[Dataset], utterances: Input[Dataset]
    ) -> Prepared:
        """Waveforms, copies and features, part by part at once."""
        with dsl.ParallelFor(parts) as one:
            heard = dress(
                preprocess(params=one.preprocess, part=one.part, parts=one.parts, data=data, utterances=utterances)
            )
            copied = dress(augment(params=one.augment, waveforms=heard.outputs["waveforms"]))
            seen = dress(
                features(params=one.features, waveforms=heard.outputs["waveforms"], copies=copied.outputs["copies"])
            )
        waveforms = dress(join(key=waveforms_key, parts=dsl.Collected(heard.outputs["waveforms"])))
        arrays = dress(join(key=features_key, parts=dsl.Collected(seen.outputs["features"])))
        waveforms.set_display_name("join waveforms")
        arrays.set_display_name("join features")
        return Prepared(waveforms.outputs["joined"], arrays.outputs["joined"])

    return prepare


def from_data(
    dress: Callable[[dsl.PipelineTask], dsl.PipelineTask],
    prepare: BaseComponent,
    of: Mapping[str, Any],
    corpus: Any,
    revision: Any,
    data_hash: Any,
) -> tuple[Any, Mapping[str, Any]]:
    """The tasks from the corpus to its arrays, within a pipeline.

    Args:
        dress: gives a task what the settings say.
        prepare: what `preparation` made, once for the pipeline.
        of: outputs of the plan.
        corpus, revision, data_hash: parameters of the pipeline.

    Returns:
        The table of utterances, and the outputs of `prepare` by name.
    """
    data = dress(fetch(corpus=corpus, revision=revision, data_hash=data_hash)).outputs["data"]
    utterances = dress(ingest(params=of["ingest"], data=data)).outputs["utterances"]
    prepared = prepare(
        waveforms_key=of["waveforms"],
        features_key=of["features"],
        parts=of["parts"],
        data=data,
        utterances=utterances,
    )
    return utterances, prepared.outputs
