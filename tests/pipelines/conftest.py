"""A small pipeline compiled for a cluster, and the stub of Kubeflow's API."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler, dsl

from kubeflow_stub import KubeflowStub, kubeflow_stub
from pipelines.compiled import Compiled
from pipelines.settings import SETTINGS_FILE, Settings, apply

DIGEST = "sha256:" + "a" * 64
IMAGE = f"registry.example.com/speech-emotion/cpu@{DIGEST}"


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keeps the tests away from clusters of the person who runs them."""
    for name in ("KUBEFLOW_TOKEN", "KUBEFLOW_COOKIE", "KF_PIPELINES_SA_TOKEN_PATH", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "no-kubeconfig"))
    monkeypatch.setattr("kfp.Client._LOCAL_KFP_CONTEXT", str(tmp_path / "no-context.json"))


@pytest.fixture
def stub() -> Iterator[KubeflowStub]:
    with kubeflow_stub() as running:
        yield running


@pytest.fixture
def settings() -> Callable[..., Settings]:
    """The repository's settings with some sections replaced."""

    def made(**sections: Any) -> Settings:
        return Settings.model_validate({**yaml.safe_load(SETTINGS_FILE.read_text()), **sections})

    return made


@pytest.fixture
def compiled(tmp_path: Path, settings: Callable[..., Settings]) -> Callable[..., Compiled]:
    """Compiles a pipeline of one step with a parameter of every type."""

    def made(image: str = IMAGE, step: str = "fetch", **sections: Any) -> Compiled:
        @dsl.component(base_image=image, install_kfp_package=False)
        def fetch(text: str) -> str:
            return text

        @dsl.pipeline(name="one-step", description="Of the tests.")
        def pipeline(
            revision: str,
            shards: int = 2,
            share: float = 0.5,
            fresh: bool = False,
            systems: list = ["t2"],  # noqa: B006 (kfp requires this form)
            more: dict = {},  # noqa: B006
        ):
            apply(fetch(text=revision), step, settings(**sections))

        path = tmp_path / "one-step.yaml"
        compiler.Compiler().compile(pipeline, str(path))
        return Compiled.read(path)

    return made
