"""`speech-emotion`: what a user does around `dvc repro`: obtain a corpus, choose one, look at the results."""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from speech_emotion.corpora import versions
from speech_emotion.errors import UserError, exit_status
from speech_emotion.params import PARAMS_FILE, Params, load_params
from speech_emotion.recorder import Recorder
from speech_emotion.store.atomic import write_text
from speech_emotion.store.parts import join

DATA = Path("data")
EVALUATION = Path("artifacts/evaluate")
EXPORTED = Path("artifacts/export")
PER_SYSTEM = (Path("artifacts/tune"), Path("artifacts/train"))
SYNTHETIC = "demo"  # the corpus that the project makes itself, the same bytes each time
COLUMNS = {  # metric of metrics.json -> heading and form
    "ua": ("UA %", "percent"),
    "wa": ("WA %", "percent"),
    "macro_f1": ("F1 %", "percent"),
    "ece": ("ECE", "number"),
}


def data(corpus: str, source: Path | None = None, parts: Sequence[str] = (), if_absent: bool = False) -> None:
    """Obtains a corpus into data/ and records it in data.dvc.

    The synthetic corpus is made anew if data.dvc records it and it is absent: that costs seconds and changes no byte.

    Args:
        source: archive or folder that the user has; None downloads from the publisher, or synthesises.
        parts: parts of the publisher's download, e.g. speech and song of RAVDESS; empty is the first.
        if_absent: do nothing where the corpus lies there as recorded.

    Raises:
        UserError: the corpus cannot be had or does not verify, or another recorded corpus is absent.
    """
    known, here = versions.recorded(DATA), versions.present(DATA)
    if if_absent and corpus in here and here[corpus] == known.get(corpus):
        return
    from speech_emotion.corpora.fetch import obtain

    recorder, workers = Recorder(), load_params().workers
    if corpus != SYNTHETIC and SYNTHETIC in known and SYNTHETIC not in here:
        obtain(SYNTHETIC, DATA, None, recorder, workers=workers)
    versions.guard(DATA, besides=corpus)
    obtain(corpus, DATA, source, recorder, parts=tuple(parts), workers=workers)
    versions.record(DATA, corpus)


def use(corpus: str, path: Path = PARAMS_FILE) -> None:
    """Sets `corpus` in params.yaml; comments and order stay.

    Raises:
        UserError: params.yaml is not there or faulty, or has no budget for the corpus.
    """
    params = load_params(path)
    if corpus not in params.budgets:
        known = ", ".join(sorted(params.budgets))
        raise UserError(f"{path}: corpus = {corpus}: must be a key of budgets: {known}; or add it there")
    if corpus == params.corpus:
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    number = next(number for number, line in enumerate(lines) if line.startswith("corpus:"))
    value, mark, comment = lines[number].rstrip("\n").partition("#")
    lines[number] = f"{f'corpus: {corpus}':<{len(value) - 1}} {mark}{comment}".rstrip() + "\n"
    write_text(path, "".join(lines))


def check(folder: Path) -> None:
    """The first stage of the graph: params are sound, and no recorded corpus is absent.

    What earlier candidates left under artifacts/ is removed from there, since evaluate depends on the whole folder of
    trained systems and a clone would not have it; DVC's cache keeps it.

    Raises:
        UserError: one line a fault.
    """
    from speech_emotion.systems.catalogue import check_system_params

    params = load_params()
    for system in params.candidates:
        check_system_params(params, system)
    versions.guard(DATA)
    if params.corpus not in versions.present(DATA):
        raise UserError(f"{DATA}/{params.corpus}: is not there: run make data CORPUS={params.corpus}")
    for stage in PER_SYSTEM:
        for left in stage.iterdir() if stage.is_dir() else ():
            if left.is_dir() and left.name not in params.candidates:
                shutil.rmtree(left)
    versions.write_checked(folder)


def table(folder: Path = EVALUATION) -> str:
    """The table of systems and where to look next.

    Raises:
        UserError: nothing has been evaluated.
    """
    path = folder / "metrics.json"
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: is not there: run make run first") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not JSON: {error}: run dvc repro again") from None
    systems = {
        name: values
        for name, values in metrics.items()
        if isinstance(values, Mapping) and isinstance(values.get("ua"), float | int)
    }
    if not systems:
        raise UserError(f"{path}: holds no system: run dvc repro again")
    ranked = sorted(systems, key=lambda name: -systems[name]["ua"])
    rows = [["system", *(heading for heading, _ in COLUMNS.values())]]
    rows += [[name, *_cells(systems[name])] for name in ranked]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return "\n".join(
        [
            _setting(),
            "",
            *lines,
            "",
            "Where to look next",
            f"  {folder}/report.md    what was measured, how, and how sure it is",
            "  make ui                      every run, curve and figure in MLflow",
            "  dvc plots show               learning curves, confusion, systems side by side",
            "  dvc exp run -S KEY=VALUE     another setting; dvc exp show --only-changed compares",
        ]
    )


def _setting() -> str:
    params = load_params()
    speech = f"corpus {params.corpus}"
    if params.corpus == SYNTHETIC:
        speech += " (synthetic: says nothing about people)"
    return f"{speech}, protocol {params.budget.protocol}"


def _cells(values: Mapping[str, Any]) -> list[str]:
    cells = []
    for metric, (_, form) in COLUMNS.items():
        value = values.get(metric)
        if not isinstance(value, float | int):
            cells.append("-")
        else:
            cells.append(f"{value:.1f}" if form == "percent" else f"{value:.3f}")
    return cells


def publish(artifacts: Path = Path("artifacts"), papers: Path = Path("papers")) -> str:
    """Copies the finished units of the last run, in small form, to where git keeps them for everybody.

    Raises:
        UserError: the synthetic corpus is at work, or nothing has been trained.
    """
    from speech_emotion.training.units import UnitStore
    from speech_emotion.training.units import publish as publish_unit

    if load_params().corpus == SYNTHETIC:
        raise UserError(
            f"corpus = {SYNTHETIC}: is synthetic and stands in no results: choose a real corpus (speech-emotion use)"
        )
    store, count = UnitStore(artifacts / "units", papers), 0
    records = sorted((artifacts / "train").glob("*/units.json"))
    if not records:
        raise UserError(f"{artifacts}/train: holds no trained system: run make run first")
    for path in records:
        record = json.loads(path.read_text(encoding="utf-8"))
        for unit in (store.find(summary["key"]) for summary in record["units"].values()):
            if unit is not None:
                publish_unit(unit, papers, record["paper"])
                count += 1
    return f"{papers}: {count} finished units of {len(records)} systems; commit them"


def verify(corpus: str) -> str:
    """Compares data/<corpus> with its publisher's sums.

    Raises:
        UserError: missing, altered or stray files, or no published sums.
    """
    from speech_emotion.corpora.verification import verify as compare

    result = compare(corpus, DATA / corpus)
    if not result.faultless:
        raise UserError(result.describe())
    return result.describe()


def _predict(*arguments: Any) -> None:
    from speech_emotion.prediction import predict

    predict(*arguments)


def _variants(system: str, artifacts: Path, output: Path | None) -> str:
    from speech_emotion.variants import variants

    return variants(system, artifacts, output)


def check_graph(path: Path, precision: str | None = None) -> str:
    """What TensorRT 8.5 makes of each node of an ONNX file, as Markdown.

    Args:
        precision: of the engine; None is int8 where the file holds Q/DQ pairs, else fp32.

    Raises:
        UserError: TensorRT refuses a node or the file, or it is no ONNX file.
    """
    from speech_emotion.export.graph import read_graph
    from speech_emotion.export.precision import report

    found = report(read_graph(path), precision)
    text = found.markdown(path.name)
    if not found.sound:
        print(text)
        refused = len(found.faults) + len(found.refused)
        raise UserError(f"{path}: TensorRT 8.5 refuses it ({refused} of its parts, above): export another graph")
    return text.rstrip()


def device_bundle(
    output: Path | None,
    exported: Path | None = None,
    model: str | None = None,
    source: str = "",
    key: Path | None = None,
    register: bool = False,
) -> str:
    """Makes what a small device needs of an export or of a registered model: a folder, or an archive.

    Args:
        output: None where it goes into the registry alone.
        exported: folder of the export step; without it and without a model artifacts/export.
        model: models:/name@alias or models:/name/version.
        source: version that the export is; of a model it is known.
        key: private Ed25519 key of OpenSSH to sign it with.
        register: make it a version of <name>-jetson; a model's alone.

    Raises:
        UserError: the export is not there or not whole, or options contradict each other.
    """
    if model is None and register:
        raise UserError("--register: needs a registered model: add --model models:/speech-emotion@champion")
    if model is not None and (exported is not None or source):
        raise UserError(f"--model = {model}: comes from the registry: leave out --from and --source")
    if output is None and not register:
        raise UserError("output: is missing: name a folder or a .tar.gz, or add --register")
    shown = f"python -m speech_emotion_jetson {output} show"
    if model is None:
        from speech_emotion.export.device import make_device_bundle

        made = make_device_bundle(exported or EXPORTED, output, source=source, key=key)
        return f"{made}: {shown}"
    from speech_emotion.tracking.device import make_from_registry

    params = load_params()
    _is_there(params.track.uri)
    said = make_from_registry(model, params.track, params.registry, Recorder(), output, key, register)
    return said if output is None else f"{said}\n{output}: {shown}"


def ui(port: int) -> str | None:
    """Serves MLflow's pages on 127.0.0.1 until interrupted; where params name a server, says its address instead.

    Raises:
        UserError: nothing is tracked yet, or MLflow's server fails.
    """
    uri = load_params().track.uri
    if uri.startswith("http"):
        return f"MLflow runs at {uri}"
    _is_there(uri)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--host", "127.0.0.1"]
    status = subprocess.run([*command, "--port", str(port)], check=False).returncode
    if status:
        raise UserError(f"mlflow server: ended with {status}: is port {port} taken? make ui PORT={port + 1}")
    return None


def registry() -> str:
    """The versions of the registered model, who is champion, and how it came to be.

    Raises:
        UserError: the store cannot be reached.
    """
    from speech_emotion.tracking.listing import describe
    from speech_emotion.tracking.registry import read_state

    params = load_params()
    with _store(params) as store:
        return describe(params.registry.name, read_state(store, params.registry.name))


def promote(version: int, reason: str) -> str:
    """Makes a version of the registered model the champion.

    Raises:
        UserError: there is no such version, or the store cannot be reached.
    """
    from speech_emotion.tracking import registry as models

    params = load_params()
    with _store(params) as store:
        return models.promote(store, params.registry, version, reason, Recorder())


def rollback(reason: str) -> str:
    """Makes the champion before this one champion again.

    Raises:
        UserError: there was none, or the store cannot be reached.
    """
    from speech_emotion.tracking import registry as models

    params = load_params()
    with _store(params) as store:
        return models.rollback(store, params.registry, reason, Recorder())


def _store(params: Params) -> AbstractContextManager[Any]:
    """The tracking store, which must exist: a command that looks makes no database."""
    _is_there(params.track.uri)
    from speech_emotion.tracking.connection import open_store

    return open_store(params.track.uri, params.track.experiment)


def _is_there(uri: str) -> None:
    path = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:") and not path.is_file():
        raise UserError(f"{path}: is not there: run make run first")


def search_worker(system: str) -> None:
    """Is one more worker of a system's search until all its trials are settled.

    Raises:
        UserError: no such system, the search is off, a folder is missing or the storage cannot be used.
    """
    from speech_emotion.steps.driver import load_step, prepared
    from speech_emotion.steps.tune import join_search

    inputs, _, params = prepared(load_step("tune"), load_params(), system)
    join_search(inputs, params, Recorder())


def studies(remove_old: bool = False) -> str:
    """The studies of the candidates on the corpus at work, one a line.

    Raises:
        UserError: a folder is missing or the storage cannot be used.
    """
    from speech_emotion.steps.driver import load_step, prepared
    from speech_emotion.steps.tune import list_studies, search_jobs

    lines, params = [], load_params()
    for system in params.candidates:
        inputs, _, of_step = prepared(load_step("tune"), params, system)
        lines += list_studies(search_jobs(inputs, of_step), remove_old)
    return "\n".join(lines) or "no study"


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    return exit_status(lambda: _show(options.act(options)))


def _show(text: str | None) -> None:
    if text:
        print(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="speech-emotion", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("data", help="obtain a corpus into data/ and record it in data.dvc")
    command.add_argument("corpus")
    command.add_argument("--from", dest="source", type=Path, help="archive or folder that you already have")
    command.add_argument("--part", dest="parts", action="append", default=[], help="part of the download, e.g. song")
    command.add_argument("--if-absent", action="store_true", help="do nothing if it lies there as recorded")
    command.set_defaults(act=lambda options: data(options.corpus, options.source, options.parts, options.if_absent))

    command = commands.add_parser("record", help="record data/CORPUS in data.dvc as it lies there")
    command.add_argument("corpus")
    command.set_defaults(act=lambda options: versions.record(DATA, options.corpus))

    command = commands.add_parser("verify", help="compare data/CORPUS with its publisher's sums")
    command.add_argument("corpus")
    command.set_defaults(act=lambda options: verify(options.corpus))

    command = commands.add_parser("use", help="set the corpus that the graph works on")
    command.add_argument("corpus")
    command.set_defaults(act=lambda options: use(options.corpus))

    command = commands.add_parser("corpus", help="print the corpus that the graph works on")
    command.set_defaults(act=lambda options: load_params().corpus)

    command = commands.add_parser("check", help="check params and data/ before the graph runs (a stage of dvc.yaml)")
    command.add_argument("--out", type=Path, default=versions.CHECKED)
    command.set_defaults(act=lambda options: check(options.out))

    command = commands.add_parser("predict", help="name the emotion of audio files")
    command.add_argument("paths", nargs="+", type=Path, metavar="FILE|FOLDER")
    command.add_argument(
        "--model", help="folder of an export, or models:/NAME@ALIAS (default: artifacts/export, else the champion)"
    )
    command.add_argument("--format", choices=("table", "csv", "jsonl"), default="table")
    command.add_argument("--windows", action="store_true", help="a row for each window of a file, with its times")
    command.add_argument("--output", type=Path, help="file for the rows, written whole or not at all")
    command.set_defaults(
        act=lambda options: _predict(options.paths, options.model, options.format, options.windows, options.output)
    )

    command = commands.add_parser("check-graph", help="what TensorRT 8.5 makes of each node of an ONNX file")
    command.add_argument("file", type=Path)
    command.add_argument("--precision", help="of the engine: fp32, fp16, int8, int8-calibrated")
    command.set_defaults(act=lambda options: check_graph(options.file, options.precision))

    command = commands.add_parser("device-bundle", help="pack an export with its runtime for a small device")
    command.add_argument("output", type=Path, nargs="?", help="folder, or file that ends with .tar.gz")
    command.add_argument("--from", dest="exported", type=Path, help=f"an export's folder (default: {EXPORTED})")
    command.add_argument("--model", help="a registered model instead: models:/NAME@ALIAS or models:/NAME/VERSION")
    command.add_argument("--register", action="store_true", help="make it a version of the registered NAME-jetson")
    command.add_argument("--source", default="", help="version in the registry that an export's folder is")
    command.add_argument("--key", type=Path, help="private Ed25519 key of OpenSSH to sign it with")
    command.set_defaults(
        act=lambda options: device_bundle(
            options.output, options.exported, options.model, options.source, options.key, options.register
        )
    )

    command = commands.add_parser("variants", help="what each exported form of a system is worth and costs")
    command.add_argument("system", help="key of params.yaml's systems; the models of its folds are taken")
    command.add_argument("--artifacts", type=Path, default=Path("artifacts"), help="folder of the steps' outputs")
    command.add_argument("--output", type=Path, help="folder (default: artifacts/variants/SYSTEM)")
    command.set_defaults(act=lambda options: _variants(options.system, options.artifacts, options.output))

    command = commands.add_parser("ui", help="serve MLflow's pages on this machine")
    command.add_argument("--port", type=int, default=5000)
    command.set_defaults(act=lambda options: ui(options.port))

    command = commands.add_parser(
        "registry", help="list the versions of the registered model, and why each is what it is"
    )
    command.set_defaults(act=lambda options: registry())

    command = commands.add_parser("promote", help="make a version of the registered model the champion")
    command.add_argument("version", type=int)
    command.add_argument("--reason", default="", help="kept with the version and in the history")
    command.set_defaults(act=lambda options: promote(options.version, options.reason))

    command = commands.add_parser("rollback", help="make the champion before this one champion again")
    command.add_argument("--reason", default="", help="kept with the version and in the history")
    command.set_defaults(act=lambda options: rollback(options.reason))

    command = commands.add_parser("search-worker", help="help a search that is under way, here or on another machine")
    command.add_argument("--system", required=True)
    command.set_defaults(act=lambda options: search_worker(options.system))

    command = commands.add_parser("studies", help="list the searches of the corpus at work")
    command.add_argument("--remove-old", action="store_true", help="remove those of other data, params or code")
    command.set_defaults(act=lambda options: studies(options.remove_old))

    command = commands.add_parser("join", help="join what a step wrote of each part (docs/scale.md)")
    command.add_argument("output", type=Path)
    command.add_argument("parts", nargs="+", type=Path, metavar="PART", help="folders, in the order of the parts")
    command.set_defaults(act=lambda options: join(options.parts, options.output))

    command = commands.add_parser("publish", help="put the finished units of the last run under papers/, for git")
    command.set_defaults(act=lambda options: publish())

    command = commands.add_parser("table", help="print the table of systems")
    command.set_defaults(act=lambda options: table())
    return parser


if __name__ == "__main__":
    sys.exit(main())
