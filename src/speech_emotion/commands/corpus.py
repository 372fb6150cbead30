"""Corpora: obtain one, choose one, verify its files, and check everything before the graph runs."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from speech_emotion.corpora import versions
from speech_emotion.errors import UserError
from speech_emotion.params import PARAMS_FILE, load_params
from speech_emotion.recorder import Recorder
from speech_emotion.store.atomic import write_text
from speech_emotion.yaml_files import parse_yaml

DATA = Path("data")
PER_SYSTEM = (Path("artifacts/tune"), Path("artifacts/train"))


def data(corpus: str, source: Path | None = None, parts: Sequence[str] = (), if_absent: bool = False) -> None:
    """Obtains a corpus into data/ and records it in data.dvc.

    A synthetic corpus that data.dvc records and that is absent is synthesised again: this takes seconds and gives the
    same bytes.

    Args:
        corpus: name of the corpus.
        source: an archive or folder of the user's; None downloads from the publisher, or synthesises.
        parts: parts of the publisher's download, e.g. speech and song of RAVDESS; empty means the first.
        if_absent: do nothing if the corpus is present as recorded.

    Raises:
        UserError: the corpus cannot be obtained or verified, or another recorded corpus is absent.
    """
    known, here = versions.recorded(DATA), versions.present(DATA)
    if if_absent and corpus in here and here[corpus] == known.get(corpus):
        return
    from speech_emotion.corpora.catalogue import known_corpora
    from speech_emotion.corpora.fetch import obtain

    recorder, workers = Recorder(), load_params().workers
    for name, other in known_corpora().items():
        if other.make and name != corpus and name in known and name not in here:
            obtain(name, DATA, None, recorder, workers=workers)
    versions.guard(DATA, besides=corpus)
    obtain(corpus, DATA, source, recorder, parts=tuple(parts), workers=workers)
    versions.record(DATA, corpus)


def use(corpus: str, path: Path = PARAMS_FILE) -> None:
    """Sets `corpus` in params.yaml, and `candidates` to those of the corpus's budget; keeps comments and order.

    Nothing changes if this is already the current corpus, so that candidates can be chosen by hand.

    Args:
        corpus: a key of budgets.
        path: params.yaml.

    Raises:
        UserError: params.yaml is missing or invalid, or has no budget for the corpus.
    """
    params = load_params(path)
    if corpus not in params.budgets:
        known = ", ".join(sorted(params.budgets))
        raise UserError(f"{path}: corpus = {corpus}: must be a key of budgets: {known}; or add it there")
    if corpus == params.corpus:
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    spelled = corpus if parse_yaml(corpus) == corpus else json.dumps(corpus)  # no and 2024 are not strings in YAML
    _set(lines, "corpus", spelled)
    _set(lines, "candidates", f"[{', '.join(params.budgets[corpus].candidates)}]")
    write_text(path, "".join(lines))


def _set(lines: list[str], key: str, spelled: str) -> None:
    """Replaces the one-line value of a top-level key of params.yaml; its comment keeps its column."""
    number = next(number for number, line in enumerate(lines) if line.startswith(f"{key}:"))
    value, mark, comment = lines[number].rstrip("\n").partition("#")
    lines[number] = f"{f'{key}: {spelled}':<{len(value) - 1}} {mark}{comment}".rstrip() + "\n"


def check(folder: Path) -> None:
    """Checks params, train.device and the recorded corpora; the graph runs this before all steps.

    Outputs of former candidates are removed from artifacts/: evaluate depends on the whole folder of trained systems,
    and a fresh clone would not have them. They stay in DVC's cache.

    Args:
        folder: receives the output of the stage.

    Raises:
        UserError: one line per fault.
    """
    from speech_emotion.learning.devices import device_kind
    from speech_emotion.steps.driver import check_choice
    from speech_emotion.systems.catalogue import check_system_params

    params = load_params()
    device_kind(params.train.device)
    check_choice(params)
    for system in params.candidates:
        check_system_params(params, system)
    versions.guard(DATA)
    if params.corpus not in versions.present(DATA):
        raise UserError(f"{DATA}/{params.corpus}: is absent: run make data CORPUS={params.corpus}")
    for stage in PER_SYSTEM:
        for left in stage.iterdir() if stage.is_dir() else ():
            if left.is_dir() and left.name not in params.candidates:
                shutil.rmtree(left)
    versions.write_checked(folder)


def verify(corpus: str) -> str:
    """Compares data/<corpus> with its publisher's checksums; returns the result in words.

    Raises:
        UserError: files are missing, altered or stray, or the checksums are not known.
    """
    from speech_emotion.corpora.catalogue import corpus_of
    from speech_emotion.corpora.verification import verify as compare

    result = compare(corpus_of(corpus), DATA / corpus)
    if not result.faultless:
        raise UserError(result.describe())
    return result.describe()
