"""The first part of several pipelines: from the corpus to the feature arrays of all utterances."""

from collections.abc import Callable
from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Dataset, Input
from kfp.dsl.base_component import BaseComponent

from components.augment.component import augment
from components.features.component import features
from components.join.component import join
from components.preprocess.component import preprocess


class Prepared(NamedTuple):
    waveforms: Dataset
    features: Dataset


def preparation(dress: Callable[[dsl.PipelineTask], dsl.PipelineTask]) -> BaseComponent:
    """Waveforms, copies and features, part by part at once, as a pipeline within a pipeline.

    Args:
        dress: gives a task what the settings say.
    """

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
