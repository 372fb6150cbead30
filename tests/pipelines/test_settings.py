"""cluster.yaml: which values are refused, and how they are applied to a compiled task."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler, dsl

from pipelines.settings import (
    SETTINGS_FILE,
    TRAINING,
    Settings,
    apply,
    load_settings,
    on_this_machine,
    step_names,
)
from speech_emotion.errors import UserError


@dsl.component(base_image="registry/image@sha256:0", install_kfp_package=False)
def nothing(text: str) -> str:
    return text


def _raw() -> dict[str, Any]:
    return yaml.safe_load(SETTINGS_FILE.read_text())


def _with(tmp_path: Path, **sections: Any) -> Path:
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump({**_raw(), **sections}))
    return path


def _settings(**sections: Any) -> Settings:
    return Settings.model_validate({**_raw(), **sections})


def _compiled(tmp_path: Path, step: str, settings: Settings, local: bool = False) -> tuple[dict, dict, dict]:
    """Container, task and Kubernetes part of a pipeline of one task."""

    @dsl.pipeline(name="one")
    def pipeline():
        apply(nothing(text="a"), step, settings, local)

    compiler.Compiler().compile(pipeline, str(tmp_path / "one.yaml"))
    spec, *platforms = yaml.safe_load_all((tmp_path / "one.yaml").read_text())
    task = spec["root"]["dag"]["tasks"]["nothing"]
    container = spec["deploymentSpec"]["executors"]["exec-nothing"]["container"]
    if not platforms:
        return container, task, {}
    return container, task, platforms[0]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-nothing"]


def test_the_repositorys_own_file_is_valid():
    assert load_settings().resources("train").retries == 2


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"gpu": {**_raw()["gpu"], "count": -1}}, "gpu.count = -1: must be at least 0"),
        ({"gpu": {**_raw()["gpu"], "count": "one"}}, "gpu.count = 'one': must be a whole number"),
        ({"shared_memory": "2 GB"}, "shared_memory = '2 GB': must match"),
        ({"steps": {**_raw()["steps"], "train": {"memory": "lots"}}}, "steps.train.memory = 'lots': must match"),
        ({"steps": {"train": {"cpu": "1"}}}, "steps.default: lacks default"),
        ({"steps": {"default": {"cpu": "1", "memory": "1Gi"}}}, "steps.default: lacks timeout_minutes, retries"),
        ({"namespce": ""}, "namespce = '': is not a known key: remove it or check the spelling"),
        ({"namespace": "Mine"}, "namespace = 'Mine': must match"),
        (
            {"tolerations": [{"key": "a", "operator": "Equal", "effect": "NoSchedule"}]},
            "tolerations.0: the operator Equal needs key and value: add them",
        ),
        ({"variables": {"S3_TOKEN": "abc"}}, "S3_TOKEN looks like a secret, which does not belong in git"),
        ({"variables": {"HTTPS_PROXY": "http://me:pass@proxy"}}, "HTTPS_PROXY looks like a secret"),
        ({"gpu": {**_raw()["gpu"], "steps": ["trian"]}}, "gpu.steps.0 = 'trian': must be one of 'search-collect'"),
        ({"steps": {**_raw()["steps"], "trian": {}}}, "steps = trian: must be one of"),
        ({"secrets": [{"name": "a", "steps": ["all", "fech"], "keys": {"b": "B"}}]}, "secrets.a.steps = fech: must be"),
        ({"storage": {**_raw()["storage"], "pipeline_root": "/tmp"}}, "storage.pipeline_root = '/tmp': must match"),
    ],
)
def test_a_mistake_names_file_key_value_and_cure(tmp_path, sections, message):
    path = _with(tmp_path, **sections)
    with pytest.raises(UserError) as caught:
        load_settings(path)
    assert str(caught.value).startswith(f"{path}: ") and message in str(caught.value)


def test_a_missing_file_and_broken_yaml_are_reported(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        load_settings(tmp_path / "absent.yaml")
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(UserError, match="not YAML"):
        load_settings(tmp_path / "broken.yaml")


def test_a_steps_own_resources_override_those_of_default(tmp_path):
    settings = _settings(
        steps={
            "default": {"cpu": "2", "memory": "4Gi", "timeout_minutes": 10, "retries": 1, "retry_seconds": 5},
            "train": {"memory": "8Gi", "retries": 4},
        }
    )
    container, task, platform = _compiled(tmp_path, "train", settings)
    asked = container["resources"]
    assert (asked["resourceCpuRequest"], asked["resourceCpuLimit"]) == ("2", "2")
    assert (asked["resourceMemoryRequest"], asked["resourceMemoryLimit"]) == ("8Gi", "8Gi")
    assert task["retryPolicy"]["maxRetryCount"] == 4 and task["retryPolicy"]["backoffDuration"] == "5s"
    assert platform["activeDeadlineSeconds"] == "600"


def test_only_steps_that_train_get_the_gpu_and_its_nodes(tmp_path):
    gpu = {**_raw()["gpu"], "count": 2, "node_selector": {"pool": "gpu"}}
    settings = _settings(gpu=gpu, node_selector={"zone": "a"})
    container, _, platform = _compiled(tmp_path, "train", settings)
    assert container["resources"]["accelerator"]["resourceType"] == "nvidia.com/gpu"
    assert container["resources"]["accelerator"]["resourceCount"] == "2"
    assert platform["nodeSelector"]["labels"] == {"zone": "a", "pool": "gpu"}
    assert platform["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    container, _, platform = _compiled(tmp_path, "features", settings)
    assert "accelerator" not in container["resources"] and "tolerations" not in platform
    assert platform["nodeSelector"]["labels"] == {"zone": "a"}
    assert settings.uses_gpu("train") and not settings.uses_gpu("features")


@pytest.mark.parametrize(("count", "train", "tune"), [(0, "cpu", "cpu"), (1, "cuda", "cpu")])
def test_steps_that_train_get_their_device(tmp_path, count, train, tune):
    settings = _settings(gpu={**_raw()["gpu"], "count": count})
    for step, device in (("train", train), ("tune", tune), ("export", tune), ("search-collect", tune)):
        container, _, _ = _compiled(tmp_path, step, settings)
        assert {"name": "SPEECH_EMOTION_DEVICE", "value": device} in container["env"]
    assert "env" not in _compiled(tmp_path, "features", settings)[0]


def test_with_a_count_of_zero_no_gpu_is_requested(tmp_path):
    container, _, platform = _compiled(tmp_path, "train", _settings())
    assert "accelerator" not in container["resources"] and "tolerations" not in platform


def test_a_secret_reaches_only_its_own_steps(tmp_path):
    secrets = [
        {"name": "git", "steps": ["fetch"], "keys": {"token": "GIT_TOKEN"}},
        {"name": "s3", "steps": ["all"], "keys": {"key": "AWS_ACCESS_KEY_ID"}, "optional": True},
    ]
    settings = _settings(secrets=secrets)
    for step, names in (("fetch", ["git", "s3"]), ("train", ["s3"])):
        _, _, platform = _compiled(tmp_path, step, settings)
        assert [secret["secretName"] for secret in platform["secretAsEnv"]] == names
        assert platform["secretAsEnv"][-1]["optional"] is True
    _, _, platform = _compiled(tmp_path, "fetch", settings)
    assert platform["secretAsEnv"][0]["keyToEnv"] == [{"envVar": "GIT_TOKEN", "secretKey": "token"}]


def test_a_pod_has_shared_memory_a_cache_pull_secrets_and_no_root(tmp_path):
    images = {"registry": "", "pull_policy": "Always", "pull_secrets": ["registry"]}
    storage = {"pipeline_root": "", "cache_claim": "units", "cache_path": "/cache"}
    settings = _settings(images=images, storage=storage, shared_memory="3Gi", variables={"HTTPS_PROXY": "http://proxy"})
    container, _, platform = _compiled(tmp_path, "train", settings)
    assert platform["emptyDirMounts"] == [
        {"medium": "Memory", "mountPath": "/dev/shm", "sizeLimit": "3Gi", "volumeName": "shared-memory"}
    ]
    assert platform["pvcMount"][0]["constant"] == "units" and platform["pvcMount"][0]["mountPath"] == "/cache"
    assert platform["imagePullPolicy"] == "Always"
    assert [secret["secretName"] for secret in platform["imagePullSecret"]] == ["registry"]
    assert platform["securityContext"] == {"runAsNonRoot": True}
    variables = {variable["name"]: variable["value"] for variable in container["env"]}
    assert variables == {
        "SPEECH_EMOTION_CACHE": "/cache",
        "SPEECH_EMOTION_DEVICE": "cpu",
        "HTTPS_PROXY": "http://proxy",
    }


def test_a_local_run_uses_only_the_retries(tmp_path):
    container, task, platform = _compiled(tmp_path, "train", _settings(), local=True)
    assert task["retryPolicy"]["maxRetryCount"] == 2
    assert platform == {} and "resources" not in container and "env" not in container


def test_a_local_run_uses_the_cuda_image_if_this_machine_has_a_gpu_whatever_the_cluster_has(tmp_path):
    settings = _settings(gpu={**_raw()["gpu"], "count": 2, "steps": ["select"]})
    for gpu, wanted in ((True, set(TRAINING)), (False, set())):
        here = on_this_machine(settings, gpu)
        assert {step for step in step_names() if here.uses_gpu(step)} == wanted
    container, _, _ = _compiled(tmp_path, "train", on_this_machine(settings, True), local=True)
    assert "accelerator" not in container.get("resources", {})


def test_compiling_does_not_change_the_settings(tmp_path):
    settings = _settings()
    before = copy.deepcopy(settings.model_dump())
    _compiled(tmp_path, "train", settings)
    assert settings.model_dump() == before
