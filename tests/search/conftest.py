import pytest

from servers import create_database


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path) -> str:
    """Address of an empty storage, once for each kind of storage."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'studies.db'}"
    name = f"studies_{abs(hash(request.node.nodeid))}"
    return create_database(request.getfixturevalue("postgres"), name)
