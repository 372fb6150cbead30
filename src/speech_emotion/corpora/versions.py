"""data.dvc: the corpora it records, and a guard against losing one of them.

DVC records whatever is in data/: if a corpus is absent, `dvc repro` and `dvc add data` silently write a data.dvc
without it. So data.dvc lists its corpora under `meta`, and the stage `check` of dvc.yaml, which depends on data/,
compares that list with the folder before any step runs.
"""

import subprocess
import sys
import tempfile
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ruamel.yaml import YAML, YAMLError

from speech_emotion.errors import UserError
from speech_emotion.store.atomic import write_text

CHECKED = Path("artifacts/check")


def recorded(data: Path = Path("data")) -> dict[str, int]:
    """Returns the corpora that `<data>.dvc` records, with their numbers of files; empty if there is no such file.

    Raises:
        UserError: the file is not a YAML mapping, or does not list corpora.
    """
    document = _read(_dvc_file(data))
    if document is None:
        return {}
    corpora = (document.get("meta") or {}).get("corpora")
    if not isinstance(corpora, dict) or not all(isinstance(count, int) for count in corpora.values()):
        raise UserError(
            f"{_dvc_file(data)}: meta.corpora = {corpora!r}: must map each corpus to its number of files: "
            "restore the file from git"
        )
    return {str(corpus): count for corpus, count in corpora.items()}


def present(data: Path = Path("data")) -> dict[str, int]:
    """Returns the corpora in `data`, with their numbers of files; a folder without files does not count."""
    counts = {}
    for folder in sorted(data.iterdir()) if data.is_dir() else ():
        if folder.is_dir() and (count := sum(path.is_file() for path in folder.rglob("*"))):
            counts[folder.name] = count
    return counts


def guard(data: Path = Path("data"), besides: str | None = None) -> None:
    """Checks that the recorded corpora are exactly those present, with the same numbers of files.

    Args:
        data: folder of the corpora.
        besides: a corpus that is about to be recorded, and is not checked.

    Raises:
        UserError: they differ; one line per corpus, with the cure.
    """
    known, here = recorded(data), present(data)
    faults = []
    for corpus in known:
        if corpus == besides or here.get(corpus) == known[corpus]:
            continue
        cure = f"run make data CORPUS={corpus}, or git checkout {_dvc_file(data)} and dvc pull {data}/{corpus}"
        if corpus in here:
            cure += f"; if the change is intended, run speech-emotion record {corpus}"
        holds = f"holds {here[corpus]} files" if corpus in here else "is absent"
        faults.append(f"{data}/{corpus}: {holds}, but {_dvc_file(data)} records {known[corpus]} files: {cure}")
    for corpus in here:
        if corpus != besides and corpus not in known:
            cure = f"run speech-emotion record {corpus}, or move it out of {data}"
            faults.append(f"{data}/{corpus}: is not recorded in {_dvc_file(data)}: {cure}")
    if faults:
        raise UserError("\n".join(faults))


def record(data: Path, corpus: str) -> None:
    """Records the present files of data/<corpus> in `<data>.dvc`, in addition to the corpora recorded before.

    Args:
        data: folder of the corpora.
        corpus: name of the corpus.

    Raises:
        UserError: the corpus is absent, another recorded one is absent or changed, or DVC fails; data.dvc is then
            unchanged.
    """
    if corpus not in present(data):
        raise UserError(f"{data}/{corpus}: is absent: run make data CORPUS={corpus}")
    guard(data, besides=corpus)
    _dvc("add", "--quiet", data.name, folder=data.parent)
    path = _dvc_file(data)
    document = _read(path)
    meta = {**(document.pop("meta", None) or {}), "corpora": present(data)}
    document.pop("deps", None)  # of earlier versions of the graph
    document["meta"] = meta  # last, where DVC puts it too, so that git sees no change
    stream = StringIO()
    _yaml().dump(document, stream)
    write_text(path, stream.getvalue())


def address(data: Path = Path("data")) -> dict[str, str]:
    """Where DVC finds the recorded corpora, without local paths or passwords.

    Returns:
        dvc: hash of the list of all files, from `<data>.dvc`; remote: URL of the default remote, if it is set and not
        local. Empty if `<data>.dvc` records nothing.
    """
    try:
        digest = _read(_dvc_file(data))["outs"][0]["md5"]
    except (TypeError, KeyError, IndexError, UserError):
        return {}
    remote = _remote(data.parent / ".dvc")
    return {"dvc": str(digest)} | ({"remote": remote} if remote else {})


def _remote(folder: Path) -> str:
    """URL of DVC's default remote; empty if there is none, or if it is a local folder."""
    settings = ConfigParser(interpolation=None)
    try:
        settings.read([folder / "config", folder / "config.local"], encoding="utf-8")  # the latter overrides
        url = settings.get(f"'remote \"{settings.get('core', 'remote')}\"'", "url")
    except ConfigParserError:
        return ""
    parts = urlsplit(url)
    if parts.scheme in ("", "file") or len(parts.scheme) == 1:  # a path; a single letter is a Windows drive
        return ""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def folder_hash(folder: Path) -> str:
    """Returns DVC's hash of a folder's files and names: <md5>.dir."""
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.db import HashFileDB
    from dvc_objects.fs import localfs

    with tempfile.TemporaryDirectory() as nowhere:
        _, _, found = build(HashFileDB(localfs, nowhere), str(folder), localfs, "md5", dry_run=True)
    return found.hash_info.value


def recorded_hash(corpus: str, top: Path = Path(), data: str = "data") -> str:
    """Returns the folder_hash of a corpus that data.dvc records; its files may be absent.

    Args:
        corpus: name of the corpus.
        top: the project's top folder.
        data: folder of the corpora, relative to `top`.

    Raises:
        UserError: the corpus is not recorded, or the list of files is neither local nor on the DVC remote.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo.open(str(top)) as repo:
            (out,) = repo.find_outs_by_path(str(top / data))
            tree = out.get_dir_cache()
            found = out.get_obj().get_obj(repo.cache.local, (corpus,)) if tree else None
    except DvcException as error:
        raise UserError(f"{top / data}.dvc: DVC cannot read it ({error})") from None
    if found is None:
        raise UserError(f"{data}/{corpus}: is not recorded in {data}.dvc: run make data CORPUS={corpus}")
    return found.hash_info.value


def write_checked(folder: Path) -> None:
    """Writes the output of the stage `check`: always the same bytes, so that no other stage reruns because of it."""
    write_text(folder / "checked", "params.yaml and data/ are in order\n")


def _dvc_file(data: Path) -> Path:
    return data.with_name(f"{data.name}.dvc")


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = 110
    return yaml


def _read(path: Path) -> Any:
    try:
        document = _yaml().load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except YAMLError as error:
        raise UserError(f"{path}: not YAML: {str(error).replace(chr(10), ' ')}") from None
    if not isinstance(document, dict):
        raise UserError(f"{path}: must hold a YAML mapping: restore the file from git")
    return document


def _dvc(*arguments: str, folder: Path) -> None:
    command = [sys.executable, "-m", "dvc", *arguments]
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if finished.returncode:
        last = (finished.stderr.strip() or finished.stdout.strip() or "no message").splitlines()[-1]
        raise UserError(f"dvc {' '.join(arguments)}: {last.removeprefix('ERROR: ')}")
