"""The model that a model server runs: answers rows of waveforms of any length with emotions and all probabilities.

It runs inside a model server, where only the model's pinned requirements are installed.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.pyfunc import PythonModel, PythonModelContext

from speech_emotion.errors import UserError
from speech_emotion.inference import Recogniser

EXPORT = "export"  # the artifact that holds what the export step wrote
WAVEFORM, RATE = "waveform", "sample_rate"  # columns of the request; the second is optional
EMOTION, PROBABILITIES, OUT_OF_DISTRIBUTION = "emotion", "probabilities", "out_of_distribution"  # columns of the answer


class RecogniserModel(PythonModel):
    """An exported system as MLflow's generic model."""

    def load_context(self, context: PythonModelContext) -> None:
        """Loads the output of the export step.

        Args:
            context: MLflow's, with the path of the artifact EXPORT.
        """
        self._recogniser = Recogniser.load(context.artifacts[EXPORT])

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """Answers row by row.

        Args:
            context: not used.
            model_input: a table with a column `waveform`, each cell samples in [-1, 1] of one channel, and
                optionally `sample_rate` in Hz (default: the model's own).
            params: not used.

        Returns:
            A table with `emotion`, `probabilities` (emotion -> probability) and `out_of_distribution` of each row.

        Raises:
            MlflowException: a row cannot be answered (status 400 of a model server); it names row, value and cure.
        """
        if WAVEFORM not in model_input.columns:
            raise _refusal(f"{WAVEFORM}: is missing: give a column of that name")
        rates = model_input[RATE] if RATE in model_input.columns else [None] * len(model_input)
        return pd.DataFrame(
            [self._answer(place, *row) for place, row in enumerate(zip(model_input[WAVEFORM], rates, strict=True))],
            columns=[EMOTION, PROBABILITIES, OUT_OF_DISTRIBUTION],
        )

    def _answer(self, place: int, waveform: Any, rate: Any) -> dict[str, Any]:
        try:
            rate = self._recogniser.bundle.sample_rate if rate is None or pd.isna(rate) else _whole(rate)
            prediction = self._recogniser.predict(_samples(waveform), rate)
        except UserError as error:
            raise _refusal(f"row {place}: {error}") from None
        return {
            EMOTION: prediction.emotion,
            PROBABILITIES: dict(prediction.probabilities),
            OUT_OF_DISTRIBUTION: bool(prediction.out_of_distribution),
        }


def _samples(waveform: Any) -> np.ndarray:
    try:
        samples = np.asarray(waveform, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserError(f"{WAVEFORM}: is not a list of numbers: give samples in [-1, 1]") from None
    if samples.ndim != 1:
        raise UserError(f"{WAVEFORM}: has shape {samples.shape}: must be one list of samples, of one channel")
    return samples


def _whole(rate: Any) -> int:
    if float(rate) != int(rate):
        raise UserError(f"{RATE} = {rate}: must be a whole number of Hz")
    return int(rate)


def _refusal(text: str) -> MlflowException:
    return MlflowException(text, error_code=BAD_REQUEST)
