"""Errors that `python -m pipelines` reports before anything is computed."""

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


def test_a_missing_gpu_is_reported(asking_for_a_gpu, capsys):
    assert main(["run", "train"]) == 1
    assert capsys.readouterr().err.startswith("error: train.device = cuda: torch ")
    assert not (asking_for_a_gpu / "artifacts").exists()


def test_in_containers_docker_is_asked_for_the_gpu(asking_for_a_gpu, monkeypatch):
    (asking_for_a_gpu / "data" / "demo").mkdir(parents=True)
    (asking_for_a_gpu / "protocols").symlink_to(TOP / "protocols")
    asked = {}
    monkeypatch.setattr("pipelines.running.run", lambda pipeline, arguments, place, kind: asked.update(vars(place)))
    monkeypatch.setattr("pipelines.__main__.build", lambda name, settings, local: asked.update(settings=settings))
    assert main(["run", "train", "--runner", "docker"]) == 0
    assert asked["gpu"] and asked["settings"].uses_gpu("train") and not asked["settings"].uses_gpu("features")
    text = Path("params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(text.replace("device: cuda", "device: auto"), encoding="utf-8")
    assert main(["run", "train", "--runner", "docker"]) == 0
    assert not asked["gpu"] and not asked["settings"].uses_gpu("train")
