"""What the commands of `python -m pipelines` refuse before anything is computed."""

from pathlib import Path

import pytest

from pipelines.__main__ import main

TOP = Path(__file__).parents[2]


@pytest.fixture
def asking_for_a_gpu(tmp_path, monkeypatch):
    """A folder whose params.yaml asks for a GPU, on a machine without one."""
    text = (TOP / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(text.replace("device: cpu ", "device: cuda"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    return tmp_path


@pytest.mark.parametrize(
    ("runner", "message"),
    [
        ("subprocess", "error: train.device = cuda: torch "),
        ("docker", "error: params.yaml: train.device = cuda: the containers of this machine are given no GPU: set cpu"),
    ],
)
def test_a_gpu_that_no_step_would_have_is_refused(asking_for_a_gpu, capsys, runner, message):
    assert main(["run", "train", "--runner", runner]) == 1
    assert capsys.readouterr().err.startswith(message)
    assert not (asking_for_a_gpu / "artifacts").exists()
