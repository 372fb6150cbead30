"""Calibration in step select; ranking and the final fit are tested in test_train.py."""

import numpy as np
import pandas as pd
import pytest

from made_up_results import LABELS, SPEAKERS
from speech_emotion.evaluation.metrics import calibration_error
from speech_emotion.steps.select import calibration

COLUMNS = [f"p_{label}" for label in LABELS]


@pytest.fixture
def trained(tmp_path):
    """Writes predictions with the true probabilities raised to the given power."""

    def write(power):
        draws = np.random.default_rng(0)
        shares = draws.dirichlet(np.full(len(LABELS), 0.7), 1200)
        targets = (draws.random((len(shares), 1)) > shares.cumsum(axis=1)).sum(axis=1).clip(max=len(LABELS) - 1)
        said = shares**power / (shares**power).sum(axis=1, keepdims=True)
        table = pd.DataFrame(said, columns=COLUMNS)
        table["emotion"] = [LABELS[target] for target in targets]
        table["speaker"] = [SPEAKERS[n % len(SPEAKERS)] for n in range(len(table))]
        table.to_parquet(tmp_path / "predictions.parquet")
        return said, targets

    return write


def test_the_temperature_of_an_overconfident_system_lowers_its_calibration_error(trained, tmp_path):
    said, targets = trained(2.0)
    found = calibration(tmp_path, list(LABELS), 15)
    assert found["temperature"] == pytest.approx(2.0, rel=0.1)
    before = calibration_error(said.max(axis=1), said.argmax(axis=1) == targets, 15)
    assert found["calibration"]["ece_before"] == round(before, 4)
    assert found["calibration"]["ece_after"] < before / 2


def test_a_temperature_that_does_not_help_is_one(trained, tmp_path):
    for power in (0.9, 1.0, 1.1):
        trained(power)
        found = calibration(tmp_path, list(LABELS), 15)
        before, after = found["calibration"]["ece_before"], found["calibration"]["ece_after"]
        assert after <= before
        assert found["temperature"] != 1.0 or after == before
