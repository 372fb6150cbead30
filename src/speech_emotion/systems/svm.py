"""T2: a support vector machine on the statistics of an utterance (cnn-lstm-attention, section 4.2)."""

from typing import Annotated, Any, Literal

from pydantic import Field
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from speech_emotion.params import Section
from speech_emotion.systems.base import TestParams
from speech_emotion.systems.estimator import EstimatorSystem


class Recogniser(EstimatorSystem):
    ARCHITECTURE = "svm"
    VERSION = 1
    PAPER = "cnn-lstm-attention"

    class Params(Section):
        C: Annotated[float, Field(gt=0, le=1e4)]
        kernel: Literal["linear", "rbf"]
        class_weight: Literal["balanced", "none"]

    def build(self, seed: int) -> Pipeline:
        weight = None if self.params.class_weight == "none" else self.params.class_weight
        machine = SVC(C=self.params.C, kernel=self.params.kernel, class_weight=weight, random_state=seed)
        return make_pipeline(StandardScaler(), machine)

    def parameter_count(self) -> int:
        machine = self.estimator[-1]
        if self.params.kernel == "linear":
            return machine.coef_.size + machine.intercept_.size
        return machine.support_vectors_.size + machine.dual_coef_.size + machine.intercept_.size

    @classmethod
    def search_space(cls, trial: Any) -> dict[str, Any]:
        return {
            # from about 0.002 a plane separates all training data, so larger values change nothing for "linear"; "rbf"
            # only starts to work there
            "C": trial.suggest_float("C", 1e-5, 100.0, log=True),
            "kernel": trial.suggest_categorical("kernel", ["linear", "rbf"]),
        }

    @classmethod
    def test_params(cls) -> TestParams:
        return TestParams({"C": 0.02, "kernel": "linear", "class_weight": "balanced"}, features=("statistics",))
