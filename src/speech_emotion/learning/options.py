"""Training options of networks. Each option has no effect unless a system sets it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from speech_emotion.params import Positive, Section, Share

Count = Annotated[int, Field(ge=0, le=100)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Amount = Annotated[float, Field(ge=0, le=10)]


class NetworkParams(Section):
    """Hyper-parameters that all networks have. An architecture's Params inherits them.

    Attributes:
        epochs: largest number of epochs.
        batch_size: rows in a batch: windows or utterances.
        learning_rate: maximum learning rate, before the schedule.
        optimiser: adam (Kingma and Ba 2015), adamw (Loshchilov and Hutter 2019), sgd, rmsprop.
        weight_decay: weight decay of the optimiser.
        momentum: momentum of sgd and rmsprop.
        schedule: how the learning rate falls. cosine: to 0 over the largest possible number of epochs (Loshchilov and
            Hutter 2017); step: by `schedule_factor` every `schedule_epochs`; plateau: by that factor when the training
            loss has not fallen for `schedule_epochs`.
        schedule_epochs: for step and plateau.
        schedule_factor: for step and plateau.
        warm_up: number of epochs at the start in which the learning rate rises linearly.
        class_weight: balanced weights each class by the inverse of its share of the training utterances.
        label_smoothing: share of each target that is spread over all classes (Szegedy et al. 2016).
        clip_norm: gradients with a larger norm are scaled down to it (Pascanu et al. 2013); 0 turns this off.
        ema_decay: EMA decay per step; the moving average of the weights is validated and kept (Polyak and Juditsky
            1992). 0 keeps the weights themselves.
        validation_epochs: number of epochs over which the validation UA is averaged, since one speaker's UA is noisy.
        time_masks: number of stretches of frames set to the training mean, in each row (SpecAugment, Park et al. 2019).
        time_mask_share: largest length of a time mask, as a share of the row's frames.
        frequency_masks: number of masks over the bands of each spectrogram and mspec feature.
        frequency_mask_share: largest width of a frequency mask, as a share of the bands.
        mixup: alpha of Beta(alpha, alpha), from which the share of another training utterance in each row is drawn
            (Zhang et al. 2018).
        gain: largest change of a row's level, in standard deviations of each dimension over the training frames.
        noise: standard deviation of white noise added to a row, in the same unit.
        distillation: share of the targets that comes from the mean probabilities of the systems that this one builds on
            (Hinton et al. 2015, at temperature 1).
    """

    epochs: Positive
    batch_size: Positive
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    optimiser: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    weight_decay: Share = 0.0
    momentum: Decay = 0.0
    schedule: Literal["none", "cosine", "step", "plateau"] = "none"
    schedule_epochs: Positive = 10
    schedule_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    warm_up: Count = 0
    class_weight: Literal["none", "balanced"] = "none"
    label_smoothing: Decay = 0.0
    clip_norm: Annotated[float, Field(ge=0)] = 0.0
    ema_decay: Decay = 0.0
    validation_epochs: Positive = 1
    time_masks: Count = 0
    time_mask_share: Share = 0.1
    frequency_masks: Count = 0
    frequency_mask_share: Share = 0.2
    mixup: Amount = 0.0
    gain: Amount = 0.0
    noise: Amount = 0.0
    distillation: Share = 0.0

    @model_validator(mode="after")
    def _used(self) -> "NetworkParams":
        if self.momentum and self.optimiser not in ("sgd", "rmsprop"):
            raise ValueError(f"momentum = {self.momentum}: {self.optimiser} has none: set it to 0, or optimiser: sgd")
        return self
