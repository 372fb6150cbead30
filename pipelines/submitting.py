"""Uploads a compiled pipeline to a cluster as a new version, and runs it once or regularly."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import kfp_server_api

from pipelines.compiled import Compiled
from pipelines.connection import Connection, connected, quiet
from pipelines.following import SKIPPED, SUCCEEDED, follow
from pipelines.kubernetes_check import check_namespace
from pipelines.settings import Settings
from speech_emotion.errors import UserError

EQUALS = 1  # of the API's filters
ARCHIVED = "ARCHIVED"
PAGE = 100
CONFLICT = 409
CRON_FIELDS = (5, 6)
CRON_FIELD = re.compile(r"^[0-9A-Za-z*?/,#LW-]+$")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SHORTEST = 60  # seconds between two runs
INTERRUPTED = 130
DIRTY = "-dirty"
MOST_VERSIONS = 1000  # of one revision


@dataclass(frozen=True)
class Trigger:
    """When a recurring run starts.

    Attributes:
        cron: an expression of six fields, seconds first; None if `seconds` is given.
        seconds: between two runs; None if `cron` is given.
    """

    cron: str | None = None
    seconds: int | None = None

    @classmethod
    def parse(cls, cron: str | None, every: str | None) -> "Trigger":
        """Parses the arguments of the command line.

        Args:
            cron: five fields as in crontab, or six with seconds first, as in Kubeflow.
            every: an interval such as 90m, 6h, 1d.

        Raises:
            UserError: both or none is given, or the one given is malformed.
        """
        if bool(cron) == bool(every):
            raise UserError("CRON, EVERY: give exactly one of them, e.g. CRON='0 3 * * *' or EVERY=6h")
        if every:
            found = re.fullmatch(r"([1-9][0-9]*)([smhd])", every)
            if not found or int(found[1]) * UNITS[found[2]] < SHORTEST:
                raise UserError(
                    f"EVERY = {every}: must be a number with s, m, h or d, at least a minute, e.g. 90m, 6h, 1d"
                )
            return cls(seconds=int(found[1]) * UNITS[found[2]])
        fields = cron.split()
        if len(fields) not in CRON_FIELDS or not all(map(CRON_FIELD.match, fields)):
            raise UserError(
                f"CRON = {cron}: must have five fields (minute hour day month weekday) or six (seconds first), "
                "e.g. '0 3 * * *'"
            )
        # Kubeflow would take the first of five for the seconds
        return cls(cron=" ".join(["0", *fields] if len(fields) == min(CRON_FIELDS) else fields))

    def __str__(self) -> str:
        return f"cron {self.cron}" if self.cron else f"every {self.seconds} s"


def submit(
    compiled: Compiled,
    arguments: dict[str, Any],
    settings: Settings,
    host: str,
    revision: str | None,
    following: bool = True,
    say: Callable[[str], None] = print,
) -> int:
    """Uploads a pipeline, starts a run and follows it.

    Args:
        compiled: for the cluster.
        arguments: as Compiled.arguments returns them.
        settings: of the cluster.
        host: address of the API.
        revision: of git; the new version of the pipeline is named after it. None outside a git clone.
        following: whether to wait until the run ends; otherwise returns once it has started.
        say: called with each line of output.

    Returns:
        the exit status: 0 if the run succeeded (or only started), 1 if it failed, 130 if Ctrl-C stopped the
        following.

    Raises:
        UserError: an image without digest, no such server, no permission, a missing secret.
    """
    compiled.check_images(settings.images.registry)
    with connected(host, settings) as connection:
        _check(compiled, connection, say)
        pipeline, version, name = _upload(connection, compiled, revision, say)
        experiment = _experiment(connection, settings.experiment)
        with quiet():
            run = connection.client.run_pipeline(
                experiment_id=experiment,
                job_name=f"{compiled.name} {name}",
                params=arguments,
                pipeline_id=pipeline,
                version_id=version,
                pipeline_root=settings.storage.pipeline_root or None,
                service_account=settings.service_account or None,
            )
        link = connection.page(f"runs/details/{run.run_id}")
        say(f"run: {link}")
        if not following:
            return 0
        try:
            state = follow(connection, run.run_id, say)
        except KeyboardInterrupt:
            say(f"no longer followed; the run continues: {link}")
            return INTERRUPTED
        say(f"run: {state.lower()}: {link}")
        return 0 if state in (SUCCEEDED, SKIPPED) else 1


def schedule(
    compiled: Compiled,
    arguments: dict[str, Any],
    settings: Settings,
    host: str,
    revision: str | None,
    trigger: Trigger,
    name: str | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Makes a recurring run, which replaces one of the same name.

    Missed runs are not caught up, and only one runs at a time.

    Args:
        compiled: for the cluster.
        arguments: as Compiled.arguments returns them.
        settings: of the cluster.
        host: address of the API.
        revision: of git, as in submit().
        trigger: when it runs.
        name: of the recurring run; the pipeline's by default.
        say: called with each line of output.

    Raises:
        UserError: as submit().
    """
    compiled.check_images(settings.images.registry)
    name = name or compiled.name
    with connected(host, settings) as connection:
        _check(compiled, connection, say)
        pipeline, version, version_name = _upload(connection, compiled, revision, say)
        experiment = _experiment(connection, settings.experiment)
        before = _recurring(connection, name, experiment)
        with quiet():
            made = connection.client.create_recurring_run(
                experiment_id=experiment,
                job_name=name,
                description=f"version {version_name}",
                cron_expression=trigger.cron,
                interval_second=trigger.seconds,
                max_concurrency=1,
                no_catchup=True,
                params=arguments,
                pipeline_id=pipeline,
                version_id=version,
                pipeline_root=settings.storage.pipeline_root or None,
                service_account=settings.service_account or None,
            )
            for old in before:  # only now: an interruption may leave one too many, but never none
                connection.client.delete_recurring_run(old)
        replaced = f", replacing {len(before)} of that name" if before else ""
        page = connection.page(f"recurringrun/details/{made.recurring_run_id}")
        say(f"recurring run {name}, {trigger}{replaced}: {page}")


def _check(compiled: Compiled, connection: Connection, say: Callable[[str], None]) -> None:
    why = check_namespace(compiled, connection.namespace)
    if why and compiled.secrets:
        names = ", ".join(sorted(compiled.secrets))
        say(
            f"warning: {why}: the secrets {names} could not be checked; a step whose secret is missing stays pending "
            "until its timeout"
        )


def _upload(
    connection: Connection, compiled: Compiled, revision: str | None, say: Callable[[str], None]
) -> tuple[str, str, str]:
    """Uploads a new version of the pipeline, which is created if absent: the ids of both and the version's name."""
    client = connection.client
    found = client.list_pipelines(filter=_named(compiled.name), namespace=connection.namespace).pipelines
    if found:
        pipeline = found[0].pipeline_id
    else:
        body = kfp_server_api.V2beta1Pipeline(
            name=compiled.name,
            display_name=compiled.name,
            description=compiled.description,
            namespace=connection.namespace,
        )
        pipeline = client.pipelines.pipeline_service_create_pipeline(body).pipeline_id
    name, made = _new_version(client, pipeline, compiled, version_base(revision))
    page = connection.page(f"pipelines/details/{pipeline}/version/{made.pipeline_version_id}")
    say(f"pipeline {compiled.name}, version {name}: {page}")
    return pipeline, made.pipeline_version_id, name


def version_base(revision: str | None) -> str:
    """The name of a revision's first version; later ones append a number."""
    if revision is None:
        return "unversioned"
    return revision[:12] + (DIRTY if revision.endswith(DIRTY) else "")


def _new_version(client: Any, pipeline: str, compiled: Compiled, base: str) -> tuple[str, Any]:
    """Uploads a version under the first free name: base, base.2, base.3, ..."""
    taken = _version_names(client, pipeline)
    for number in range(1, MOST_VERSIONS):
        name = base if number == 1 else f"{base}.{number}"
        if name in taken:
            continue
        try:
            with quiet():
                return name, client.upload_pipeline_version(str(compiled.path), name, pipeline_id=pipeline)
        except kfp_server_api.ApiException as error:
            if error.status != CONFLICT:
                raise  # a conflict means that the name was taken meanwhile
    raise UserError(f"pipeline {compiled.name}: has {MOST_VERSIONS} versions of {base}: delete old ones, or commit")


def _version_names(client: Any, pipeline: str) -> set[str]:
    names: set[str] = set()
    token = ""
    while True:
        answer = client.list_pipeline_versions(pipeline, page_token=token, page_size=PAGE)
        for version in answer.pipeline_versions or ():
            names |= {version.display_name, version.name} - {None}
        token = answer.next_page_token
        if not token:
            return names


def _experiment(connection: Connection, name: str) -> str:
    client = connection.client
    with quiet():
        experiment = client.create_experiment(name, namespace=connection.namespace)
        if experiment.storage_state == ARCHIVED:  # it would accept no runs
            client.unarchive_experiment(experiment.experiment_id)
    return experiment.experiment_id


def _recurring(connection: Connection, name: str, experiment: str) -> list[str]:
    """Ids of the recurring runs of that name in the experiment."""
    ids: list[str] = []
    token = ""
    while True:
        answer = connection.client.list_recurring_runs(
            page_token=token, page_size=PAGE, experiment_id=experiment, filter=_named(name)
        )
        ids += [one.recurring_run_id for one in answer.recurring_runs or () if one.display_name == name]
        token = answer.next_page_token
        if not token:
            return ids


def _named(name: str) -> str:
    return json.dumps({"predicates": [{"operation": EQUALS, "key": "display_name", "stringValue": name}]})
