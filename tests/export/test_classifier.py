import numpy as np
import pytest
import torch

from made_up_systems import make_system
from speech_emotion.export.check import trained_probabilities
from speech_emotion.export.classifier import UtteranceClassifier, WindowClassifier
from speech_emotion.export.graph import INPUT, STARTS, export_graph, serialise, session
from speech_emotion.export.operators import check_operators
from speech_emotion.export.quantise_cpu import quantise_cpu, weight_bytes
from speech_emotion.export.spectra import Spectra
from speech_emotion.features.frontend import FrontEnd
from speech_emotion.params import load_params

PARAMS = load_params()
LABELS = ("anger", "neutral", "sadness")


def make(name):
    features = {one: PARAMS.features[one].model_copy(update={"deltas": 0}) for one in PARAMS.needs[name].features}
    dims = {one: FrontEnd(feature, 16000).dims for one, feature in features.items()}
    torch.manual_seed(0)
    recipe = PARAMS.preprocess.recipes["plain"]
    system = make_system(name, recipe, features, dims, 16000, LABELS)
    for shift in (value for key, value in system.network.state_dict().items() if key.endswith("shift")):
        shift.fill_(-8.0)  # a log spectrum's mean, so that the network is not saturated
    system.network.eval()
    return system


@pytest.fixture(scope="module", params=["t1", "w1", "k2"])
def system(request):
    return make(request.param)


@pytest.fixture(scope="module")
def waveform(system):
    draws = np.random.default_rng(0)
    length = system.window_samples + 3 * system.hop_samples
    envelope = 0.1 + 0.1 * np.sin(np.arange(length) / 700)
    return (envelope * draws.standard_normal(length)).astype(np.float32)


@pytest.fixture(scope="module")
def windows(system, waveform):
    return [waveform[n * system.hop_samples :][: system.window_samples] for n in range(4)]


@pytest.fixture(scope="module")
def utterance(system):
    return export_graph(UtteranceClassifier(system), system.window_samples, 13, Spectra, many=True)


def ask(model, waveform, starts):
    with session(serialise(model)) as running:
        return running.run(None, {INPUT: waveform[np.newaxis], STARTS: np.array(starts, np.int64)})[0]


def test_the_form_for_one_window_suits_the_device_and_equals_the_trained_model(system, windows):
    graph = export_graph(WindowClassifier(system), system.window_samples, 13, Spectra)
    check_operators(graph.model)
    with session(serialise(graph.model)) as running:
        found = np.concatenate([running.run(None, {INPUT: window[np.newaxis]})[0] for window in windows])
    np.testing.assert_allclose(found, trained_probabilities(system.waveform_classifier(), windows), atol=1e-4)


def test_all_windows_at_once_get_the_same_answers_as_one_by_one(system, utterance, waveform, windows):
    starts = [n * system.params.hop_frames for n in range(4)]
    expected = trained_probabilities(system.waveform_classifier(), windows)
    np.testing.assert_allclose(ask(utterance.model, waveform, starts), expected, atol=1e-4)
    np.testing.assert_allclose(ask(utterance.model, windows[2], [0]), expected[2:3], atol=1e-4)


def test_int8_for_cpus_has_a_quarter_of_the_weight_bytes_and_nearly_the_same_answers(
    system, utterance, waveform, windows
):
    before = serialise(utterance.model)
    small = quantise_cpu(utterance, windows)
    assert serialise(utterance.model) == before
    share = weight_bytes(small, utterance.front_end) / weight_bytes(utterance.model, utterance.front_end)
    assert 0.25 <= share <= 0.3
    assert {entry.domain for entry in small.opset_import} == {""}
    starts = [n * system.params.hop_frames for n in range(4)]
    difference = np.abs(ask(small, waveform, starts) - ask(utterance.model, waveform, starts))
    assert 0 < difference.max() < 0.05
    assert serialise(quantise_cpu(utterance, windows)) == serialise(small)


def test_answers_of_int8_for_cpus_do_not_depend_on_other_windows(system, utterance, waveform, windows):
    small = quantise_cpu(utterance, windows)
    loud = waveform.copy()
    loud[-system.window_samples // 2 :] *= 30
    places = [n * system.hop_samples for n in range(4)]
    together = ask(small, loud, [n * system.params.hop_frames for n in range(4)])
    single = [ask(small, loud[place:][: system.window_samples], [0])[0] for place in places]
    # a feature's last bit may change the rounding of an activation; ranges of the batch would change it by 0.01
    np.testing.assert_allclose(together, single, atol=1e-3)
