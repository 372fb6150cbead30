"""Connects to the API of Kubeflow Pipelines; a wrong address or a missing permission is explained in one sentence.

Credentials come from the environment, never from the command line, which other users of a machine can read.
"""

import contextlib
import io
import json
import logging
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import kfp
import kfp_server_api
import requests
import urllib3
from kfp.client.set_volume_credentials import ServiceAccountTokenVolumeCredentials

from pipelines.settings import SHOWN, Settings
from speech_emotion.errors import UserError

TOKEN, COOKIE = "KUBEFLOW_TOKEN", "KUBEFLOW_COOKIE"
TOKEN_FILE = "KF_PIPELINES_SA_TOKEN_PATH"  # kfp's own name; the file is read again after its token was renewed
AUTHORITY = "SSL_CERT_FILE"
SECONDS_TO_ANSWER = 10
HEALTH = "/apis/v2beta1/healthz"
HOSTS = "an address such as http://localhost:8080 or https://kubeflow.example.com/pipeline"


@dataclass(frozen=True)
class Connection:
    """An open API.

    Attributes:
        client: kfp's.
        host: address without a slash at the end; the UI's pages are below it.
        namespace: profile of the runs; None on a single-user installation.
        headers: of requests, with the credentials.
        verify: as requests takes it: whether to verify certificates, or the file of an authority's certificate.
    """

    client: kfp.Client
    host: str
    namespace: str | None
    headers: dict[str, str]
    verify: str | bool

    def page(self, path: str) -> str:
        """Address of a page of the UI, such as runs/details/ID."""
        return f"{self.host}/#/{path}"

    def log(self, run: str, pod: str) -> str:
        """The output of a run's pod; empty if the API does not provide it."""
        url = f"{self.host}/apis/v1alpha1/runs/{run}/nodes/{pod}/log"
        try:
            answer = requests.get(url, headers=self.headers, timeout=SECONDS_TO_ANSWER, verify=self.verify)
        except requests.RequestException:
            return ""
        plain = answer.headers.get("Content-Type", "").startswith("text/plain")
        return answer.text if answer.ok and plain else ""


@contextlib.contextmanager
def connected(host: str, settings: Settings) -> Iterator[Connection]:
    """Checks that the address is an API of Kubeflow Pipelines and opens it; errors inside the block become UserErrors.

    Args:
        host: the address, as the user gave it.
        settings: of the cluster, for the namespace.

    Raises:
        UserError: no answer, no Kubeflow Pipelines at this address, no access, or a call that fails.
    """
    host = _address(host)
    headers, verify = _headers(), os.environ.get(AUTHORITY) or True
    several = _probe(host, headers, verify)
    namespace = settings.namespace or None
    if several and namespace is None:
        raise UserError(f"{SHOWN}: namespace = '': {host} serves several users: name your profile")
    if not several:
        namespace = None
    try:
        with quiet():
            client = kfp.Client(
                host=host,
                namespace=namespace or "kubeflow",
                existing_token=_token(),
                cookies=os.environ.get(COOKIE),
                credentials=_token_file(),
                ssl_ca_cert=os.environ.get(AUTHORITY) or None,
            )
        yield Connection(client, host, namespace, headers, verify)
    except kfp_server_api.ApiException as error:
        raise UserError(f"HOST = {host}: {_refusal(error.status, said(error))}") from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise UserError(
            f"HOST = {host}: stopped answering ({_short(error)}): check that the server is running"
        ) from None


def said(error: kfp_server_api.ApiException) -> str:
    """The server's own message."""
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else error.body or ""
    try:
        content = json.loads(body)
        text = content.get("message") or content.get("error_message") or content.get("error") or ""
    except (json.JSONDecodeError, AttributeError):
        text = re.sub(r"<[^>]*>", " ", body)
    return " ".join(str(text or error.reason or "").split())[:400]


def _address(host: str) -> str:
    try:
        parts = urlsplit(host)
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        shown = re.sub("^.*@", "...@", host)  # a password may precede it
        raise UserError(f"HOST = {shown}: must be {HOSTS}")
    if parts.username or parts.password:
        raise UserError(
            f"HOST = {parts.scheme}://...@{parts.hostname}: must hold no password: export {TOKEN} or {COOKIE}"
        )
    return host.split("#")[0].rstrip("/")


def _headers() -> dict[str, str]:
    headers = {}
    token = _token()
    if token is None and (path := os.environ.get(TOKEN_FILE)):
        try:
            token = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise UserError(f"{TOKEN_FILE} = {path}: {error.strerror}: name the file that holds the token") from None
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if cookie := os.environ.get(COOKIE):
        headers["Cookie"] = cookie
    return headers


def _token() -> str | None:
    return os.environ.get(TOKEN) or None


def _token_file() -> ServiceAccountTokenVolumeCredentials | None:
    path = os.environ.get(TOKEN_FILE)
    return ServiceAccountTokenVolumeCredentials(path) if path and not _token() else None


def _probe(host: str, headers: dict[str, str], verify: str | bool) -> bool:
    """Whether the installation has several users. kfp's own client would retry for half a minute and then raise."""
    fault = f"HOST = {host}"
    try:
        answer = requests.get(f"{host}{HEALTH}", headers=headers, timeout=SECONDS_TO_ANSWER, verify=verify)
    except requests.exceptions.SSLError as error:
        raise UserError(
            f"{fault}: its certificate is not trusted ({_short(error)}): name the authority's certificate in "
            f"{AUTHORITY}, or correct the address"
        ) from None
    except requests.Timeout:
        raise UserError(
            f"{fault}: no answer in {SECONDS_TO_ANSWER} s: check host and port, and that no firewall blocks them"
        ) from None
    except (requests.RequestException, OSError) as error:
        raise UserError(f"{fault}: no answer ({_short(error)}): check host and port: {HOSTS}") from None
    if not answer.ok:
        raise UserError(f"{fault}: {_refusal(answer.status_code, '')}")
    try:
        health = answer.json()
        return bool(health["multi_user"])
    except (ValueError, KeyError, TypeError):
        pass
    if "html" in answer.headers.get("Content-Type", "") or answer.text.lstrip().startswith("<"):
        where = f" ({urlsplit(answer.url).path})" if answer.history else ""
        raise UserError(
            f"{fault}: answers with a web page{where}, not with the API: if it is a login, export {TOKEN} or {COOKIE} "
            "(docs/cluster.md); if not, correct the address: for a full Kubeflow it ends in /pipeline"
        )
    raise UserError(f"{fault}: answers, but is not Kubeflow Pipelines: check host and port: {HOSTS}")


def _refusal(status: int | None, text: str) -> str:
    more = f" ({text})" if text else ""
    if status == requests.codes.unauthorized:
        return f"requires a login (401){more}: export {TOKEN} or {COOKIE}, or renew it if it has expired"
    if status == requests.codes.forbidden:
        return f"denies access (403){more}: correct namespace in {SHOWN}, or ask its administrator for permission"
    if status == requests.codes.not_found:
        return f"has no such page (404){more}: for a full Kubeflow the address ends in /pipeline"
    if status and status >= requests.codes.server_error:
        return f"fails (status {status}){more}: see the log of its deployment ml-pipeline"
    return f"refuses the request (status {status}){more}"


def _short(error: BaseException) -> str:
    """The innermost reason, without the exceptions around it."""
    text = str(error)
    for pattern in (r"certificate verify failed: ([^(]+)", r"\[Errno -?\d+\] ([^'\")]+)", r"WRONG_VERSION_NUMBER"):
        if found := re.search(pattern, text):
            return (found[1] if found.groups() else "no TLS there: http://?").strip()
    return type(error).__name__


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hides the warnings of kfp's client and the links that it prints, which the commands show themselves."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.getLogger("kfp").setLevel(logging.ERROR)
        yield
