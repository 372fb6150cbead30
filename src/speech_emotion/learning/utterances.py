"""The inputs of a system: utterances with their features, classes and members' predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from speech_emotion.errors import UserError
from speech_emotion.store.arrays import ArrayStore


@dataclass(frozen=True)
class Utterances:
    """A set of utterances, for training or prediction.

    Attributes:
        ids: utterance ids, in any order.
        targets: (N,) class number of each utterance.
        stores: feature name -> arrays by id, read only when needed.
        copies: whether training also uses the augmented copies of these utterances.
        members: system -> its probabilities (N, classes), for the systems that this one builds on.
    """

    ids: Sequence[str]
    targets: np.ndarray
    stores: Mapping[str, ArrayStore] = field(default_factory=dict)
    copies: bool = False
    members: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def versions(self, id: str) -> list[str]:
        """Ids of the utterance and, if `copies` is set, of its augmented copies."""
        first = next(iter(self.stores.values()))
        return [id, *(first.copies(id) if self.copies else ())]

    def load(self, id: str, dims: Mapping[str, int], frames: bool) -> dict[str, np.ndarray]:
        """The features of one utterance or copy, {name: (frames, dims) or (dims,)}, as read-only views.

        Args:
            id: the utterance or copy.
            dims: feature name -> number of dimensions that the system expects.
            frames: whether the arrays must be (frames, dims); otherwise they must be vectors (dims,).

        Raises:
            UserError: a feature is missing or has the wrong shape.
        """
        arrays = {}
        for name, size in dims.items():
            store = self.stores[name]
            if id not in store:
                raise UserError(f"{store.folder}: has no {name} of {id}: run the features step again")
            arrays[name] = array = store[id]
            if array.shape[-1:] != (size,) or array.ndim != 1 + frames:
                wanted = f"(frames, {size})" if frames else f"({size},)"
                raise UserError(
                    f"feature {name} of {id}: shape {array.shape}: must be {wanted}: name features of that shape in "
                    "needs, or train the system again if the definition has changed"
                )
        return arrays

    def of_member(self, system: str, classes: int) -> np.ndarray:
        """The probabilities (N, classes) of a system that this one builds on.

        Args:
            system: id of that system.
            classes: expected number of classes.

        Raises:
            UserError: they are missing or have the wrong shape.
        """
        if system not in self.members:
            raise UserError(f"system {system}: its predictions are missing: train it first (step train)")
        values = np.asarray(self.members[system], dtype=np.float64)
        if values.shape != (len(self), classes):
            raise UserError(
                f"system {system}: predictions of shape {values.shape}: must be {(len(self), classes)}: train it on "
                "the same protocol"
            )
        return values
