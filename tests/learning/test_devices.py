"""Which device trains, the message if it does not exist, and the settings of a GPU."""

import os

import pytest
import torch

from speech_emotion.errors import UserError
from speech_emotion.learning import devices
from speech_emotion.learning.devices import device_kind, repeatable, training_device


@pytest.fixture
def gpus(monkeypatch):
    """Sets the number of GPUs that torch reports."""

    def set_count(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return set_count


@pytest.mark.parametrize(
    ("setting", "count", "kind"), [("cpu", 1, "cpu"), ("auto", 0, "cpu"), ("auto", 1, "cuda"), ("cuda", 1, "cuda")]
)
def test_auto_uses_a_gpu_if_there_is_one(gpus, setting, count, kind):
    gpus(count)
    assert device_kind(setting) == kind
    assert training_device(setting).type == kind


@pytest.mark.parametrize(
    ("build", "reason"), [(None, "torch is built without CUDA"), ("13.0", "torch sees no CUDA device")]
)
def test_a_missing_gpu_is_an_error_with_the_reason_and_the_cure(gpus, monkeypatch, build, reason):
    gpus(0)
    monkeypatch.setattr(torch.version, "cuda", build)
    with pytest.raises(UserError, match=rf"^train\.device = cuda: {reason}: set cpu, or auto to use a GPU only"):
        device_kind("cuda")
    with pytest.raises(UserError, match=reason):
        training_device("cuda")


def test_processes_are_spread_over_the_gpus(gpus, monkeypatch):
    gpus(2)
    found = []
    for number in (10, 11, 12):
        monkeypatch.setattr(os, "getpid", lambda number=number: number)
        found.append(training_device("cuda").index)
    assert found == [0, 1, 0]


def _settings():
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.conv.fp32_precision,
        torch.backends.cudnn.rnn.fp32_precision,
        torch.backends.cuda.matmul.fp32_precision,
        os.environ.get(devices.WORKSPACE),
    )


def test_a_gpu_trains_deterministically_in_full_precision(monkeypatch):
    monkeypatch.delenv(devices.WORKSPACE, raising=False)
    before = _settings()
    with pytest.raises(ZeroDivisionError), repeatable(torch.device("cuda")):
        assert _settings() == (True, True, "ieee", "ieee", "ieee", devices.FIXED_WORKSPACE)
        raise ZeroDivisionError
    assert _settings()[:-1] == before[:-1]


def test_nothing_changes_on_the_cpu(monkeypatch):
    monkeypatch.delenv(devices.WORKSPACE, raising=False)
    before = _settings()
    with repeatable(torch.device("cpu")):
        assert _settings() == before
