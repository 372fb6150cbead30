"""Commands that need MLflow's store, before it exists."""

import pytest

from speech_emotion import cli
from speech_emotion.commands import store
from speech_emotion.errors import UserError


def test_ui_before_the_first_run_is_refused(project):
    with pytest.raises(UserError, match=r"mlflow\.db: does not exist: run make run first"):
        store.ui(5000)


@pytest.mark.parametrize("arguments", [["registry"], ["promote", "1", "--reason", "quieter"], ["rollback"]])
def test_the_registry_before_the_first_run_is_refused_and_no_store_is_made(project, capsys, arguments):
    assert cli.main(arguments) == 1
    assert capsys.readouterr().err.endswith("mlflow.db: does not exist: run make run first\n")
    assert not (project / "mlflow.db").exists()
