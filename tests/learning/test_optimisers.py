"""Learning rates and losses."""

import numpy as np
import pytest
import torch
from torch import nn

from speech_emotion.errors import UserError
from speech_emotion.learning.optimisers import Schedule, criterion_of, optimiser_of
from speech_emotion.learning.options import NetworkParams
from speech_emotion.sections import check


def _options(**changed):
    return NetworkParams(**{"epochs": 10, "batch_size": 4, "learning_rate": 0.1, **changed})


def _rates(losses=(), epochs=10, **changed):
    optimiser = optimiser_of(nn.Linear(2, 2), _options(**changed))
    schedule, rates = Schedule(optimiser, _options(**changed), epochs), []
    for epoch in range(1, epochs + 1):
        schedule.begin(epoch)
        rates.append(optimiser.param_groups[0]["lr"])
        schedule.end(losses[epoch - 1] if losses else 1 / epoch)
    return rates


def test_the_default_is_adam_with_a_constant_rate():
    assert type(optimiser_of(nn.Linear(2, 2), _options())) is torch.optim.Adam
    assert _rates() == [0.1] * 10


def test_the_rate_follows_the_schedule():
    step = _rates(schedule="step", schedule_epochs=4, schedule_factor=0.5)
    assert step == pytest.approx([0.1] * 4 + [0.05] * 4 + [0.025] * 2)
    cosine = _rates(schedule="cosine")
    assert cosine[0] == 0.1 and cosine == sorted(cosine, reverse=True) and 0 < cosine[-1] < 0.01
    plateau = _rates([3, 2, 2, 2, 1, 1, 1, 1, 1, 1], schedule="plateau", schedule_epochs=2, schedule_factor=0.1)
    assert plateau == pytest.approx([0.1] * 4 + [0.01] * 3 + [0.001] * 2 + [0.0001])


def test_the_rate_rises_over_the_warm_up():
    assert _rates(warm_up=3)[:5] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])


def test_balanced_weights_give_each_class_the_same_weight():
    targets = np.array([0, 0, 0, 1])
    criterion = criterion_of(_options(class_weight="balanced"), targets, 3)
    logits, labels = torch.zeros(4, 3), torch.from_numpy(targets)
    logits.requires_grad_()
    criterion(logits, labels).backward()
    assert float(logits.grad[:3, 0].sum()) == pytest.approx(float(logits.grad[3, 1]))


def test_class_numbers_and_shares_of_classes_give_the_same_loss():
    logits, targets = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 1, 0])
    criterion = criterion_of(_options(label_smoothing=0.1), targets.numpy(), 3)
    torch.testing.assert_close(criterion(logits, targets), criterion(logits, torch.eye(3)[targets]))


def test_momentum_with_an_optimiser_that_has_none_is_an_error():
    with pytest.raises(UserError, match=r"momentum = 0\.9: adam has none: set it to 0, or optimiser: sgd"):
        check(NetworkParams, {"epochs": 1, "batch_size": 1, "learning_rate": 0.1, "momentum": 0.9}, "params.yaml")
