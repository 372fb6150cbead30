"""Checks that Kubernetes has the secrets and volumes that a compiled pipeline names.

The API of Kubeflow Pipelines does not tell, and a pod whose secret is missing waits silently until its timeout. So
Kubernetes itself is asked if a kubeconfig (or a pod's service account) gives access to it.
"""

import contextlib
import logging

import kubernetes
import urllib3

from pipelines.compiled import Compiled
from pipelines.settings import SHOWN
from speech_emotion.errors import UserError

SECONDS_TO_ANSWER = 5
SINGLE_USER = "kubeflow"  # namespace of the pods of a single-user installation
FORBIDDEN, UNAUTHORIZED, ABSENT = 403, 401, 404


def check_namespace(compiled: Compiled, namespace: str | None) -> str:
    """Asks Kubernetes for a pipeline's secrets (their names and keys; no value is kept) and volume claims.

    Args:
        compiled: the pipeline.
        namespace: of the runs; None on a single-user installation.

    Returns:
        why Kubernetes could not be asked; empty if nothing is missing.

    Raises:
        UserError: a secret, one of its keys, or a volume claim is missing.
    """
    where = namespace or SINGLE_USER
    if not compiled.secrets and not compiled.claims:
        return ""
    api = _api()
    if api is None:
        return "no kubeconfig here"
    faults = []
    try:
        for name, keys in sorted(compiled.secrets.items()):
            there = _ask(api.read_namespaced_secret, name, where)
            if there is None:
                faults.append(_missing(name, sorted(keys), where))
            elif lacking := sorted(keys - set(there.data or {})):
                faults.append(
                    f"secret {name} in namespace {where}: lacks {', '.join(lacking)}: add it (docs/cluster.md), or "
                    f"remove it from secrets in {SHOWN}"
                )
        for name in sorted(compiled.claims):
            if _ask(api.read_namespaced_persistent_volume_claim, name, where) is None:
                faults.append(
                    f"volume claim {name}: is not in namespace {where}: create it (docs/cluster.md), or set "
                    f"storage.cache_claim in {SHOWN} to ''"
                )
    except kubernetes.client.ApiException as error:
        if error.status in (FORBIDDEN, UNAUTHORIZED):
            return f"Kubernetes does not let you read secrets in namespace {where} ({error.status})"
        return f"Kubernetes answers with status {error.status}"
    except (urllib3.exceptions.HTTPError, OSError) as error:
        return f"Kubernetes does not answer ({type(error).__name__})"
    if faults:
        raise UserError("\n".join(faults))
    return ""


def _missing(name: str, keys: list[str], namespace: str) -> str:
    made = " ".join(f"--from-file={key}=FILE" for key in keys)
    how = f"kubectl -n {namespace} create secret generic {name} {made}" if keys else "docs/cluster.md"
    return f"secret {name}: is not in namespace {namespace}: create it: {how}"


def _ask(read, name: str, namespace: str):
    try:
        return read(name, namespace, _request_timeout=SECONDS_TO_ANSWER)
    except kubernetes.client.ApiException as error:
        if error.status == ABSENT:
            return None
        raise


def _api() -> kubernetes.client.CoreV1Api | None:
    configuration = kubernetes.client.Configuration()
    configuration.retries = False
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    with contextlib.suppress(kubernetes.config.ConfigException):
        kubernetes.config.load_incluster_config(client_configuration=configuration)
        return kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(configuration))
    with contextlib.suppress(kubernetes.config.ConfigException, OSError):
        kubernetes.config.load_kube_config(client_configuration=configuration)
        return kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(configuration))
    return None
