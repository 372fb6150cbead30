"""The locks of a tracking store: of a registered model and of the experiment, of the kind that its address allows."""

from speech_emotion.store.locks import Lock, database_locks
from speech_emotion.tracking.connection import Store
from speech_emotion.tracking.lease import ExperimentTags, Lease, ModelTags


def model_lock(store: Store, name: str, lease_seconds: float) -> Lock:
    """The lock for changes of a registered model.

    Args:
        name: of the model, which must exist.
        lease_seconds: how long a silent process is waited for where the store is no database with locks of its own.
    """
    return _lock(store, f"model-{name}", Lease(ModelTags(store.client, name), lease_seconds))


def experiment_lock(store: Store, lease_seconds: float) -> Lock:
    """The lock for bringing results into the store's experiment; `lease_seconds` as of model_lock()."""
    tags = ExperimentTags(store.client, store.experiment)
    return _lock(store, f"experiment-{store.experiment}", Lease(tags, lease_seconds))


def _lock(store: Store, name: str, lease: Lease) -> Lock:
    locks = database_locks(store.uri)
    return locks(name) if locks else lease
