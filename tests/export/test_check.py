import numpy as np
import pytest

from speech_emotion.errors import UserError
from speech_emotion.export.check import compare, exported_probabilities, trained_probabilities
from speech_emotion.export.graph import serialise


def test_exported_graph_gives_the_probabilities_of_the_trained_model(graph, classifier, windows):
    trained = trained_probabilities(classifier, windows)
    exported = exported_probabilities(serialise(graph.model), windows)
    assert trained.shape == exported.shape == (24, 5)
    assert np.ptp(trained, axis=0).max() > 0.01  # the windows differ, so agreement means something
    found = compare(trained, exported)
    assert found["max_difference"] < 1e-5
    assert found["agreement"] == 1.0
    assert found["windows"] == 24


def test_real_speech_gives_the_same_answers(graph, classifier, corpora):
    import soundfile

    files = sorted((corpora / "emodb" / "wav").glob("*.wav"))[::60]
    windows = [soundfile.read(path, dtype="float32")[0][4000 : 4000 + 2112] for path in files]
    found = compare(trained_probabilities(classifier, windows), exported_probabilities(serialise(graph.model), windows))
    assert found["max_difference"] < 1e-4


def test_differences_are_measured():
    trained = np.array([[0.9, 0.1], [0.6, 0.4]])
    found = compare(trained, np.array([[0.8, 0.2], [0.4, 0.6]]))
    assert found["max_difference"] == pytest.approx(0.2)
    assert found["mean_difference"] == pytest.approx(0.15)
    assert found["agreement"] == 0.5


def test_nan_is_refused():
    with pytest.raises(UserError, match="NaN"):
        compare(np.ones((1, 2)) / 2, np.array([[np.nan, 1.0]]))
