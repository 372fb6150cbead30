"""The bodies of the components of pipeline `release`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from speech_emotion.recorder import Recorder
from speech_emotion.reporting.rendering import render
from speech_emotion.steps.component import sections_at_home, user_errors
from speech_emotion.steps.reports import log_metrics, model_address
from speech_emotion.store.atomic import write_text
from speech_emotion.tracking.device import make_from_registry
from speech_emotion.tracking.release import CARD, Release, due, fetch, record

DEVICE_ARCHIVE = "speech-emotion-jetson.tar.gz"


def gate(params: str) -> str:
    """Returns the champion as VERSION:DIGEST, or "" if it is the last release.

    Args:
        params: sections track and registry as JSON text.
    """
    with user_errors():
        sections = sections_at_home(params)
        release = due(sections.track, sections.registry, Recorder())
        return str(release) if release else ""


def export(params: str, champion: str, folder: str, device: str, reports: Mapping[str, Any]) -> None:
    """Checks the champion's files, puts them into a new folder, and registers its device bundle.

    Args:
        params: sections track and registry as JSON text.
        champion: from gate().
        folder: a folder that does not exist yet.
        device: folder for the archive of the device bundle.
        reports: "metrics" and "card", output artifacts of Kubeflow.
    """
    with user_errors():
        sections = sections_at_home(params)
        release, recorder = Release.parse(champion), Recorder()
        facts = fetch(release, sections.track, sections.registry, Path(folder))
        model, archive = model_address(sections.registry.name, release.version), Path(device) / DEVICE_ARCHIVE
        recorder.note(make_from_registry(model, sections.track, sections.registry, recorder, archive, register=True))
        values = {f"{form}_{name}": facts[form][name] for form in ("fp32", "int8") for name in ("bytes", "nodes")}
        log_metrics(reports["metrics"], {**values, "agreement_on_noise": facts["agreement"]})
        write_text(reports["card"].path, (Path(folder) / CARD).read_text(encoding="utf-8"))


def note(params: str, champion: str, reports: Mapping[str, Any]) -> None:
    """Records in the registry that the champion was released.

    Args:
        params: sections track and registry as JSON text.
        champion: from gate().
        reports: "released", an output artifact of Kubeflow.
    """
    with user_errors():
        sections = sections_at_home(params)
        name, release = sections.registry.name, Release.parse(champion)
        before = record(release, sections.track, sections.registry, Recorder())
        model, report = model_address(name, release.version), reports["released"]
        versions = [{"model": model, "digest": release.digest, "released": "now"}]
        if before and before != release:
            old = model_address(name, before.version)
            versions.append({"model": old, "digest": before.digest, "released": "before"})
        write_text(report.path, render("released.md.j2", versions=versions))
        report.metadata.update(model=model, digest=release.digest)
