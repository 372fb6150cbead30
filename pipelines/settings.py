"""The settings in pipelines/cluster.yaml as typed values, and how they are applied to the tasks of a pipeline.

All values are in cluster.yaml: this module defines types and ranges, but no defaults. Local runs use only the retries.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from kfp import dsl, kubernetes
from kfp.dsl.pipeline_channel import PipelineParameterChannel
from pydantic import Field, field_validator, model_validator

from speech_emotion.errors import UserError
from speech_emotion.sections import Section, check
from speech_emotion.steps.component import CACHE_VARIABLE, DEVICE_VARIABLE

SETTINGS_FILE = Path(__file__).with_name("cluster.yaml")
SHOWN = "pipelines/cluster.yaml"
DEFAULT, ALL = "default", "all"
COMPONENTS = Path(__file__).parents[1] / "components"
COLLECT = "search-collect"  # component tune, when it collects the results of a search's workers
# The steps that train (export when it fine-tunes); any of them may have a GPU
TRAINING = (COLLECT, "export", "search-worker", "select", "train", "tune")
SHARED_MEMORY = "/dev/shm"
SECRET_WORDS = ("PASSWORD", "PASSWD", "SECRET", "TOKEN", "ACCESS_KEY", "CREDENTIAL")

# As Kubernetes writes them. "" means none, or the installation's own.
Object = Annotated[str, Field(pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", max_length=253)]
ObjectOrNone = Annotated[str, Field(pattern=r"^([a-z0-9]([-.a-z0-9]*[a-z0-9])?)?$", max_length=253)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Key = Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$")]
Cpu = Annotated[str, Field(pattern=r"^([0-9]+(\.[0-9]+)?|[0-9]+m)$")]
Bytes = Annotated[str, Field(pattern=r"^[1-9][0-9]*(E|Ei|P|Pi|T|Ti|G|Gi|M|Mi|K|Ki)?$")]
BytesOrNone = Annotated[str, Field(pattern=r"^([1-9][0-9]*(E|Ei|P|Pi|T|Ti|G|Gi|M|Mi|K|Ki)?)?$")]
StepName = Annotated[str, Field(pattern=r"^[a-z][a-z-]*$")]


class Images(Section):
    registry: Annotated[str, Field(pattern=r"^[^\s@]*$")]
    pull_policy: Literal["Always", "IfNotPresent", "Never"]
    pull_secrets: list[Object]


class Storage(Section):
    """Where artifacts are stored, and a volume that keeps the steps' caches (finished units) between runs."""

    pipeline_root: Annotated[str, Field(pattern=r"^((s3|minio|gs)://\S+)?$")]
    cache_claim: ObjectOrNone
    cache_path: Annotated[str, Field(pattern=r"^/\S+$")]


class Secret(Section):
    """A Kubernetes secret whose keys become environment variables of some steps.

    Attributes:
        name: of the secret.
        steps: names of steps, or [all].
        keys: key of the secret -> variable.
        optional: whether a pod may start without it.
    """

    name: Object
    steps: Annotated[list[StepName], Field(min_length=1)]
    keys: Annotated[dict[Key, Variable], Field(min_length=1)]
    optional: bool = False

    def serves(self, step: str) -> bool:
        return step in self.steps or ALL in self.steps


class Toleration(Section):
    key: Annotated[str, Field(min_length=1)] | None = None
    operator: Literal["Equal", "Exists"]
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None

    @model_validator(mode="after")
    def _sound(self) -> "Toleration":
        if self.operator == "Exists" and self.value is not None:
            raise ValueError(f"value = {self.value!r}: the operator Exists takes no value: remove it, or write Equal")
        if self.operator == "Equal" and (self.key is None or self.value is None):
            raise ValueError("the operator Equal needs key and value: add them")
        return self


class Gpu(Section):
    """Accelerators of the steps that train. With `count` 0 these steps run on the CPU, in the CPU image.

    Attributes:
        type: the resource's name in Kubernetes, such as nvidia.com/gpu.
        count: for each pod; the processes of a step are spread over them.
        steps: the steps of TRAINING that get them.
        node_selector: labels of the nodes, added to those of all steps.
        tolerations: added to those of all steps.
    """

    type: Annotated[str, Field(pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$")]
    count: Annotated[int, Field(ge=0, le=16)]
    steps: list[Literal[TRAINING]]
    node_selector: dict[str, str]
    tolerations: list[Toleration]


class Resources(Section):
    """Request and limit of a step's pod. A value that is left out comes from `default`."""

    cpu: Cpu | None = None
    memory: Bytes | None = None
    timeout_minutes: Annotated[int, Field(ge=1, le=44640)] | None = None
    retries: Annotated[int, Field(ge=0, le=20)] | None = None
    retry_seconds: Annotated[int, Field(ge=0, le=3600)] | None = None


class Settings(Section):
    """pipelines/cluster.yaml."""

    namespace: ObjectOrNone
    experiment: Annotated[str, Field(min_length=1)]
    service_account: ObjectOrNone
    images: Images
    storage: Storage
    secrets: list[Secret]
    variables: dict[Variable, str]
    node_selector: dict[str, str]
    tolerations: list[Toleration]
    gpu: Gpu
    shared_memory: BytesOrNone
    steps: dict[StepName, Resources]

    @field_validator("variables")
    @classmethod
    def _nothing_secret(cls, variables: dict[str, str]) -> dict[str, str]:
        for name, value in variables.items():
            if any(word in name.upper() for word in SECRET_WORDS) or re.search(r"://[^/@\s]+:[^/@\s]+@", value):
                raise ValueError(f"{name} looks like a secret, which does not belong in git: use a Kubernetes secret")
        return variables

    @model_validator(mode="after")
    def _whole(self) -> "Settings":
        default = self.steps.get(DEFAULT)
        missing = [DEFAULT] if default is None else [name for name, value in default if value is None]
        if missing:
            raise ValueError(
                f"steps.{DEFAULT}: lacks {', '.join(missing)}: add them: steps without their own use these"
            )
        return self

    def resources(self, step: str) -> Resources:
        """A step's resources; values that it does not set come from `default`."""
        own = self.steps.get(step, self.steps[DEFAULT]).model_dump(exclude_none=True)
        return Resources(**{**self.steps[DEFAULT].model_dump(), **own})

    def uses_gpu(self, step: str) -> bool:
        """Whether a step's pod gets accelerators, and so needs the CUDA image."""
        return self.gpu.count > 0 and step in self.gpu.steps


def on_this_machine(settings: Settings, gpu: bool) -> Settings:
    """The settings for a run on this machine: with `gpu` all steps that train run in the CUDA image, else none."""
    here = {"count": int(gpu), "steps": list(TRAINING)}
    return settings.model_copy(update={"gpu": settings.gpu.model_copy(update=here)})


def load_settings(path: Path | str = SETTINGS_FILE) -> Settings:
    """Reads and checks the cluster's settings.

    Raises:
        UserError: one line for each fault, with file, key, value and what is allowed.
    """
    shown = SHOWN if Path(path) == SETTINGS_FILE else str(path)
    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{shown}: does not exist: restore it from git") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{shown}: not YAML: {str(error).replace(chr(10), ' ')}") from None
    if not isinstance(raw, dict):
        raise UserError(f"{shown}: must contain keys such as namespace and secrets")
    settings: Settings = check(Settings, raw, shown)
    _check_names(settings, shown)
    return settings


def step_names() -> set[str]:
    """The names of steps in cluster.yaml: the components, with hyphens, and the tune that collects results."""
    return {path.parent.name.replace("_", "-") for path in COMPONENTS.glob("*/component.py")} | {COLLECT}


def _check_names(settings: Settings, shown: str) -> None:
    known, places = step_names(), {"steps": settings.steps.keys() - {DEFAULT}}
    places |= {f"secrets.{secret.name}.steps": set(secret.steps) - {ALL} for secret in settings.secrets}
    faults = [
        f"{shown}: {place} = {name}: must be one of {', '.join(sorted(known))}"
        for place, names in places.items()
        for name in sorted(set(names) - known)
    ]
    if faults:
        raise UserError("\n".join(faults))


def apply(
    task: dsl.PipelineTask,
    step: str,
    settings: Settings,
    local: bool = False,
    accelerators: PipelineParameterChannel | None = None,
) -> dsl.PipelineTask:
    """Applies the settings to a task: resources, retries, timeout, GPU, shared memory, nodes, secrets, cache, images.

    Args:
        task: of any component.
        step: its name in cluster.yaml, e.g. "train" or "search-worker".
        settings: of the cluster.
        local: for a run on this machine, which uses only the retries.
        accelerators: parameter of the pipeline with the number of GPUs of a step that may have some; by default the
            number in the settings.

    Returns:
        the task.
    """
    resources = settings.resources(step)
    if local:
        return task.set_retry(num_retries=resources.retries)
    task.set_retry(num_retries=resources.retries, backoff_duration=f"{resources.retry_seconds}s")
    task.set_cpu_request(resources.cpu).set_cpu_limit(resources.cpu)
    task.set_memory_request(resources.memory).set_memory_limit(resources.memory)
    kubernetes.set_timeout(task, 60 * resources.timeout_minutes)
    kubernetes.set_image_pull_policy(task, settings.images.pull_policy)
    if settings.images.pull_secrets:
        kubernetes.set_image_pull_secrets(task, settings.images.pull_secrets)
    kubernetes.set_security_context(task, run_as_non_root=True)
    if settings.shared_memory:
        kubernetes.empty_dir_mount(task, "shared-memory", SHARED_MEMORY, "Memory", settings.shared_memory)
    if settings.storage.cache_claim:
        kubernetes.mount_pvc(task, settings.storage.cache_claim, settings.storage.cache_path)
        task.set_env_variable(CACHE_VARIABLE, settings.storage.cache_path)
    if step in TRAINING:
        # cuda, not auto: a pod that does not see its GPU must fail, not train on the CPU for days
        task.set_env_variable(DEVICE_VARIABLE, "cuda" if settings.uses_gpu(step) else "cpu")
    for name, value in settings.variables.items():
        task.set_env_variable(name, value)
    for secret in settings.secrets:
        if secret.serves(step):
            kubernetes.use_secret_as_env(task, secret.name, dict(secret.keys), optional=secret.optional)
    nodes, tolerations = dict(settings.node_selector), list(settings.tolerations)
    if settings.uses_gpu(step):
        task.set_accelerator_type(settings.gpu.type)
        task.set_accelerator_limit(settings.gpu.count if accelerators is None else accelerators)
        if accelerators is not None:
            task.register_pipeline_channels([accelerators])  # else a loop around the task does not pass it on
        nodes |= settings.gpu.node_selector
        tolerations += settings.gpu.tolerations
    for label, value in nodes.items():
        kubernetes.add_node_selector(task, label, value)
    for toleration in tolerations:
        kubernetes.add_toleration(task, **toleration.model_dump())
    return task
