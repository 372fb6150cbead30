"""Trainings with every architecture's test_params() and with every training option give the committed values."""

from dataclasses import dataclass, field, replace
from typing import Any, get_args

import numpy as np
import pytest

from golden.golden import check
from made_up_cases import make_case
from speech_emotion.learning import loop
from speech_emotion.learning.options import NetworkParams
from speech_emotion.systems.catalogue import architectures
from speech_emotion.training import keys

EPOCHS = 3


@dataclass(frozen=True)
class Case:
    """One training with an architecture's test_params().

    Attributes:
        architecture: name of the architecture.
        changed: hyper-parameters that differ from test_params().
        copies: augmented copies of each training utterance.
        builds_on: ids of the systems it builds on.
    """

    architecture: str = "windowed-rnn"
    changed: dict[str, Any] = field(default_factory=dict)
    copies: int = 0
    builds_on: tuple[str, ...] = ()


UNSTEADY = {"optimiser": "sgd", "momentum": 0.9, "learning_rate": 1.0, "noise": 8.0}  # its loss also rises at times
OPTIONS = {
    "adamw": {"optimiser": "adamw", "weight_decay": 1.0, "learning_rate": 0.1},
    "sgd": {"optimiser": "sgd", "momentum": 0.9, "learning_rate": 0.1},
    "rmsprop": {"optimiser": "rmsprop"},
    "cosine": {"schedule": "cosine", "warm_up": 1},
    "step": {"schedule": "step", "schedule_epochs": 1, "schedule_factor": 0.2},
    "plateau": {**UNSTEADY, "schedule": "plateau", "schedule_epochs": 1},
    "balanced": {"class_weight": "balanced"},
    "smoothing": {"label_smoothing": 0.2},
    "clipping": {"optimiser": "sgd", "learning_rate": 0.5, "clip_norm": 0.1},
    "averaged": {"ema_decay": 0.9, "validation_epochs": 2},
    "masks": {"time_masks": 2, "time_mask_share": 0.3, "frequency_masks": 1, "frequency_mask_share": 0.4},
    "mixup": {"mixup": 0.4},
    "level": {"gain": 0.5, "noise": 0.3},
    "balanced-smoothed-mixup": {"class_weight": "balanced", "label_smoothing": 0.1, "mixup": 0.4},
}
SMALL = {"units": 8, "layers": 1, "hop_frames": 12}
CASES = {
    **{f"{name}-small": Case(name) for name in architectures()},
    **{f"option-{name}": Case(changed={**SMALL, **changed}) for name, changed in OPTIONS.items()},
    "option-distillation": Case(changed={**SMALL, "distillation": 0.5}, builds_on=("one", "two")),
    "windowed-rnn-rnn": Case(changed={**SMALL, "cell": "rnn"}),
    "windowed-rnn-bilstm": Case(changed={**SMALL, "cell": "bilstm"}),
    "cl-cnn": Case("cl", {"branches": ["cnn"]}),
    "cl-lstm": Case("cl", {"branches": ["lstm"]}),
    "cnn-attention-changed": Case("cnn-attention", {"mixup": 0.4, "time_masks": 1, "dropout": 0.2}, copies=1),
    "gmm-full": Case("gmm", {"covariance": "full", "floor": 0.01}),
    "vote-mean": Case("vote", {"rule": "mean"}),
}


@pytest.mark.parametrize("name", CASES)
def test_trainings_are_unchanged(name, tmp_path):
    case = CASES[name]
    made = make_case(case.architecture, tmp_path, 27, case.copies, case.builds_on)
    # classes of unequal size, so that class weights matter
    train = made.utterances([id for n, id in enumerate(made.targets) if n < 15 and n not in (1, 4)], case.copies > 0)
    if len(case.changed.get("branches", ())) == 1:
        feature = "mspec-0" if case.changed["branches"] == ["cnn"] else "mfcc-1"
        made = _with_one(made, feature)
    system = made.create(**case.changed)
    system.fit(train, made.part(15, 21), 0, made.limits(max_epochs=EPOCHS))
    version = [keys.architecture_identity(made.architecture), loop.TRAINING_VERSION]
    to_raise = f"VERSION of {case.architecture}, or TRAINING_VERSION in learning/loop.py if it is not the cause"
    check("trainings", name, version, system.predict_proba(made.part(21, 27)), 1e-3, to_raise)


def _with_one(made, feature):
    return replace(
        made,
        definitions={feature: made.definitions[feature]},
        dims={feature: made.dims[feature]},
        stores={feature: made.stores[feature]},
    )


def test_every_option_and_every_choice_has_a_case():
    changed = [case.changed for case in CASES.values()]
    for name, option in NetworkParams.model_fields.items():
        if option.is_required():
            continue
        seen = {values.get(name, option.default) for values in changed}
        choices = {value for value in get_args(option.annotation) if isinstance(value, str)}
        assert seen >= choices if choices else seen - {option.default}, name


def test_every_option_makes_a_difference(tmp_path):
    made = make_case("windowed-rnn", tmp_path, 27, builds_on=("one", "two"))

    def probabilities(**changed):
        on = made if "distillation" in changed else _without_members(made)
        system = on.create(**{**SMALL, **changed})
        train = on.utterances([id for n, id in enumerate(on.targets) if n < 15 and n not in (1, 4)])
        system.fit(train, on.part(15, 21), 0, on.limits(max_epochs=EPOCHS))
        return system.predict_proba(on.part(21, 27))

    for name, changed in {**OPTIONS, "distillation": {"distillation": 0.5}}.items():
        beside = UNSTEADY if name in ("plateau", "clipping") else ("learning_rate",)  # settings of both trainings
        without = {key: changed[key] for key in changed if key in beside}
        difference = np.abs(probabilities(**changed) - probabilities(**without)).max()
        assert difference > 1e-3, name


def _without_members(made):
    return replace(made, config=replace(made.config, builds_on=()), members={})
