import pytest
import torch

from speech_emotion.systems.w1 import MixedMeans


def features() -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(6, 9, size) for size in (4, 3)]


def movement(feature: torch.Tensor) -> torch.Tensor:
    return feature - feature.mean(dim=1, keepdim=True)


def test_movement_stays_and_a_mean_moves_towards_that_of_another_window():
    given = features()
    mixed = MixedMeans(1.0).train()(given)
    for before, after in zip(given, mixed, strict=True):
        torch.testing.assert_close(movement(after), movement(before))
        low, high = before.mean(dim=1).amin(dim=0), before.mean(dim=1).amax(dim=0)
        assert ((after.mean(dim=1) >= low - 1e-6) & (after.mean(dim=1) <= high + 1e-6)).all()
        assert not torch.allclose(after, before)


def test_all_features_of_a_window_take_on_the_same_part_of_the_same_window():
    one, same = MixedMeans(1.0).train()([features()[0]] * 2)
    assert torch.equal(one, same)


def test_about_the_share_asked_for_is_mixed():
    given = torch.randn(2000, 3, 2)
    torch.manual_seed(0)
    (mixed,) = MixedMeans(0.25).train()([given])
    assert (mixed != given).any(dim=2).any(dim=1).float().mean() == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize(("training", "share"), [(False, 0.5), (True, 0.0)])
def test_nothing_is_mixed_outside_training_or_at_a_share_of_0(training, share):
    given = features()
    for before, after in zip(given, MixedMeans(share).train(training)(given), strict=True):
        assert torch.equal(after, before)
