"""The locks of a tracking store, for registered models and experiments; the store's address decides their kind."""

from speech_emotion.store.locks import Lock, database_locks
from speech_emotion.tracking.connection import Store
from speech_emotion.tracking.lease import ExperimentTags, Lease, ModelTags


def model_lock(store: Store, name: str, lease_seconds: float) -> Lock:
    """The lock for changes of a registered model.

    Args:
        store: the tracking store.
        name: of the model, which must exist.
        lease_seconds: how long to wait for a silent process, if the store is not a database with locks of its own.
    """
    return _lock(store, f"model-{name}", Lease(ModelTags(store.client, name), lease_seconds))


def experiment_lock(store: Store, lease_seconds: float) -> Lock:
    """The lock for writing results to the store's experiment; arguments as of model_lock()."""
    tags = ExperimentTags(store.client, store.experiment)
    return _lock(store, f"experiment-{store.experiment}", Lease(tags, lease_seconds))


def _lock(store: Store, name: str, lease: Lease) -> Lock:
    locks = database_locks(store.uri)
    return locks(name) if locks else lease
