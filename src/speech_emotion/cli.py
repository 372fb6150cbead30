"""`speech-emotion`: commands to use with `dvc repro`: obtain a corpus, choose one, look at the results."""

import argparse
import sys
from pathlib import Path
from typing import Any

from speech_emotion.commands import corpus, device, results, search, store
from speech_emotion.corpora import versions
from speech_emotion.errors import exit_status
from speech_emotion.params import load_params
from speech_emotion.store.parts import join


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    return exit_status(lambda: _show(options.act(options)))


def _show(text: str | None) -> None:
    if text:
        print(text)


def _predict(*arguments: Any) -> None:
    from speech_emotion.prediction import predict

    predict(*arguments)


def _variants(*arguments: Any) -> str:
    from speech_emotion.variants import variants

    return variants(*arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="speech-emotion", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("data", help="obtain a corpus into data/ and record it in data.dvc")
    command.add_argument("corpus")
    command.add_argument("--from", dest="source", type=Path, help="an archive or folder that you already have")
    command.add_argument("--part", dest="parts", action="append", default=[], help="a part of the download, e.g. song")
    command.add_argument("--if-absent", action="store_true", help="do nothing if the recorded files are present")
    command.set_defaults(
        act=lambda options: corpus.data(options.corpus, options.source, options.parts, options.if_absent)
    )

    command = commands.add_parser("record", help="record the present files of data/CORPUS in data.dvc")
    command.add_argument("corpus")
    command.set_defaults(act=lambda options: versions.record(corpus.DATA, options.corpus))

    command = commands.add_parser("verify", help="compare data/CORPUS with its publisher's checksums")
    command.add_argument("corpus")
    command.set_defaults(act=lambda options: corpus.verify(options.corpus))

    command = commands.add_parser("use", help="set the corpus that the graph works on")
    command.add_argument("corpus")
    command.set_defaults(act=lambda options: corpus.use(options.corpus))

    command = commands.add_parser("corpus", help="print the corpus that the graph works on")
    command.set_defaults(act=lambda options: load_params().corpus)

    command = commands.add_parser("check", help="check params and data/ before the graph runs (a stage of dvc.yaml)")
    command.add_argument("--out", type=Path, default=versions.CHECKED)
    command.set_defaults(act=lambda options: corpus.check(options.out))

    command = commands.add_parser("predict", help="name the emotion of audio files")
    command.add_argument("paths", nargs="+", type=Path, metavar="FILE|FOLDER")
    command.add_argument(
        "--model", help="folder of an export, or models:/NAME@ALIAS (default: artifacts/export, or else the champion)"
    )
    command.add_argument("--format", choices=("table", "csv", "jsonl"), default="table")
    command.add_argument("--windows", action="store_true", help="one row for each window of a file, with its times")
    command.add_argument("--output", type=Path, help="file for the rows; it appears only once it is complete")
    command.set_defaults(
        act=lambda options: _predict(options.paths, options.model, options.format, options.windows, options.output)
    )

    command = commands.add_parser("check-graph", help="show how TensorRT 8.5 treats each node of an ONNX file")
    command.add_argument("file", type=Path)
    command.add_argument("--precision", help="precision of the engine: fp32, fp16, int8, int8-calibrated")
    command.set_defaults(act=lambda options: device.check_graph(options.file, options.precision))

    command = commands.add_parser("device-bundle", help="pack an export with its runtime for a small device")
    command.add_argument("output", type=Path, nargs="?", help="a folder, or a file ending in .tar.gz")
    command.add_argument("--from", dest="exported", type=Path, help=f"folder of an export (default: {device.EXPORTED})")
    command.add_argument("--model", help="a registered model instead: models:/NAME@ALIAS or models:/NAME/VERSION")
    command.add_argument("--register", action="store_true", help="register it as a version of NAME-jetson")
    command.add_argument("--source", default="", help="the registered version that the export corresponds to")
    command.add_argument("--key", type=Path, help="OpenSSH private Ed25519 key for signing it")
    command.set_defaults(
        act=lambda options: device.device_bundle(
            options.output, options.exported, options.model, options.source, options.key, options.register
        )
    )

    command = commands.add_parser("variants", help="measure accuracy and cost of each exported form of a system")
    command.add_argument("system", help="a key of systems in params.yaml; the models of its folds are used")
    command.add_argument("--artifacts", type=Path, default=Path("artifacts"), help="folder of the steps' outputs")
    command.add_argument("--output", type=Path, help="folder (default: artifacts/variants/SYSTEM)")
    command.add_argument(
        "--prune", type=float, nargs="+", default=(), metavar="SHARE",
        help="also without these shares of the network's filters (default: export.prune.share of params.yaml)",
    )  # fmt: skip
    command.add_argument(
        "--qat", action="store_true",
        help="also after quantisation-aware fine-tuning (default: export.qat.enabled of params.yaml)",
    )  # fmt: skip
    command.set_defaults(
        act=lambda options: _variants(options.system, options.artifacts, options.output, options.prune, options.qat)
    )

    command = commands.add_parser("track", help="log the last run's results to MLflow again")
    command.add_argument("--if-missing", action="store_true", help="do nothing if MLflow has all of them")
    command.set_defaults(act=lambda options: store.track(options.if_missing))

    command = commands.add_parser("ui", help="serve MLflow's pages on this machine")
    command.add_argument("--port", type=int, default=5000)
    command.set_defaults(act=lambda options: store.ui(options.port))

    command = commands.add_parser(
        "registry", help="list the versions of the registered model, with their status and the reason for it"
    )
    command.set_defaults(act=lambda options: store.registry())

    command = commands.add_parser("promote", help="make a version of the registered model the champion")
    command.add_argument("version", type=int)
    command.add_argument("--reason", default="", help="recorded with the version and in the history")
    command.set_defaults(act=lambda options: store.promote(options.version, options.reason))

    command = commands.add_parser("rollback", help="make the previous champion the champion again")
    command.add_argument("--reason", default="", help="recorded with the version and in the history")
    command.set_defaults(act=lambda options: store.rollback(options.reason))

    command = commands.add_parser("search-worker", help="join a running search, here or on another machine")
    command.add_argument("--system", required=True)
    command.set_defaults(act=lambda options: search.search_worker(options.system))

    command = commands.add_parser("studies", help="list the searches on the current corpus")
    command.add_argument("--remove-old", action="store_true", help="remove those of other data, params or code")
    command.set_defaults(act=lambda options: search.studies(options.remove_old))

    command = commands.add_parser("join", help="join a step's outputs for the parts of a corpus (docs/scale.md)")
    command.add_argument("output", type=Path)
    command.add_argument("parts", nargs="+", type=Path, metavar="PART", help="folders, in the order of the parts")
    command.set_defaults(act=lambda options: join(options.parts, options.output))

    command = commands.add_parser("publish", help="copy finished units and trials to papers/, for git")
    command.set_defaults(act=lambda options: results.publish())

    command = commands.add_parser("table", help="print the table of systems")
    command.set_defaults(act=lambda options: results.table())
    return parser


if __name__ == "__main__":
    sys.exit(main())
