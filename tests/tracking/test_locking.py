import pytest

from speech_emotion.store.locks import AdvisoryLock, LockedFile
from speech_emotion.tracking.connection import Store
from speech_emotion.tracking.lease import Lease
from speech_emotion.tracking.locking import experiment_lock, model_lock


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("sqlite:///mlflow.db", LockedFile),
        ("postgresql://host/name", AdvisoryLock),
        ("http://localhost:5000", Lease),
        ("https://mlflow.example.org", Lease),
        ("mysql://host/name", Lease),
    ],
)
def test_the_address_decides_the_lock_and_model_and_experiment_have_their_own(uri, kind):
    store = Store(client=None, uri=uri, experiment="1")
    locks = [model_lock(store, "a", 60), model_lock(store, "b", 60), experiment_lock(store, 60)]
    assert {type(lock) for lock in locks} == {kind}
    assert len({str(lock) for lock in locks}) == 3
    assert model_lock(store, "a", 60) == locks[0] or kind is AdvisoryLock  # its engine differs
