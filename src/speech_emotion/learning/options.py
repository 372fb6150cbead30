"""How a network trains, as typed values. Each option is neutral unless a system sets it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from speech_emotion.params import Positive, Section, Share

Count = Annotated[int, Field(ge=0, le=100)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Amount = Annotated[float, Field(ge=0, le=10)]


class NetworkParams(Section):
    """Hyper-parameters that all networks have. A system's own Params inherits them.

    Attributes:
        epochs: at most.
        batch_size: rows of a batch: windows, or utterances.
        learning_rate: of the optimiser, before the schedule.
        optimiser: adam (Kingma and Ba 2015), adamw (Loshchilov and Hutter 2019), sgd, rmsprop.
        weight_decay: of the optimiser.
        momentum: of sgd and rmsprop.
        schedule: how the learning rate falls. cosine: to 0 over the epochs that are possible (Loshchilov and Hutter
            2017); step: by `schedule_factor` every `schedule_epochs`; plateau: by that factor where the training loss
            was not lowered for `schedule_epochs`.
        schedule_epochs: of step and plateau.
        schedule_factor: of step and plateau.
        warm_up: epochs over which the learning rate rises linearly first.
        class_weight: balanced weights each class by the inverse of its share of the training utterances.
        label_smoothing: share of each target that is spread over all classes (Szegedy et al. 2016).
        clip_norm: gradients are scaled down to this norm (Pascanu et al. 2013); 0 leaves them.
        ema_decay: decay per step of the moving average of the weights, which is validated and kept (Polyak and
            Juditsky 1992); 0 keeps the weights themselves.
        validation_epochs: over which the validation UA is averaged, since that of one speaker is noisy.
        time_masks: stretches of frames set to the training mean, in each row (SpecAugment, Park et al. 2019).
        time_mask_share: longest of them, as a share of the row's frames.
        frequency_masks: the same over the bands of each spectrogram and mspec feature.
        frequency_mask_share: widest of them, as a share of the bands.
        mixup: alpha of Beta(alpha, alpha), the share of another training utterance in each row (Zhang et al. 2018).
        gain: largest change of a row's level, in training deviations of each dimension.
        noise: deviation of white noise added to a row, in training deviations of each dimension.
        distillation: share of the targets that is the mean probability of the systems it builds on (Hinton et al.
            2015, at temperature 1).
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
            raise ValueError(f"momentum = {self.momentum}: {self.optimiser} takes none: set it to 0, or optimiser: sgd")
        return self
