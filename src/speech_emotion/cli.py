"""`speech-emotion`: what a user does around `dvc repro`: obtain a corpus, choose one, look at the results."""

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
    command.add_argument("--from", dest="source", type=Path, help="archive or folder that you already have")
    command.add_argument("--part", dest="parts", action="append", default=[], help="part of the download, e.g. song")
    command.add_argument("--if-absent", action="store_true", help="do nothing if it lies there as recorded")
    command.set_defaults(
        act=lambda options: corpus.data(options.corpus, options.source, options.parts, options.if_absent)
    )

    command = commands.add_parser("record", help="record data/CORPUS in data.dvc as it lies there")
    command.add_argument("corpus")
    command.set_defaults(act=lambda options: versions.record(corpus.DATA, options.corpus))

    command = commands.add_parser("verify", help="compare data/CORPUS with its publisher's sums")
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
    command.set_defaults(act=lambda options: device.check_graph(options.file, options.precision))

    command = commands.add_parser("device-bundle", help="pack an export with its runtime for a small device")
    command.add_argument("output", type=Path, nargs="?", help="folder, or file that ends with .tar.gz")
    command.add_argument("--from", dest="exported", type=Path, help=f"an export's folder (default: {device.EXPORTED})")
    command.add_argument("--model", help="a registered model instead: models:/NAME@ALIAS or models:/NAME/VERSION")
    command.add_argument("--register", action="store_true", help="make it a version of the registered NAME-jetson")
    command.add_argument("--source", default="", help="version in the registry that an export's folder is")
    command.add_argument("--key", type=Path, help="private Ed25519 key of OpenSSH to sign it with")
    command.set_defaults(
        act=lambda options: device.device_bundle(
            options.output, options.exported, options.model, options.source, options.key, options.register
        )
    )

    command = commands.add_parser("variants", help="what each exported form of a system is worth and costs")
    command.add_argument("system", help="key of params.yaml's systems; the models of its folds are taken")
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

    command = commands.add_parser("track", help="bring the last run's results into MLflow's store again")
    command.add_argument("--if-missing", action="store_true", help="do nothing where the store holds them all")
    command.set_defaults(act=lambda options: store.track(options.if_missing))

    command = commands.add_parser("ui", help="serve MLflow's pages on this machine")
    command.add_argument("--port", type=int, default=5000)
    command.set_defaults(act=lambda options: store.ui(options.port))

    command = commands.add_parser(
        "registry", help="list the versions of the registered model, and why each is what it is"
    )
    command.set_defaults(act=lambda options: store.registry())

    command = commands.add_parser("promote", help="make a version of the registered model the champion")
    command.add_argument("version", type=int)
    command.add_argument("--reason", default="", help="kept with the version and in the history")
    command.set_defaults(act=lambda options: store.promote(options.version, options.reason))

    command = commands.add_parser("rollback", help="make the champion before this one champion again")
    command.add_argument("--reason", default="", help="kept with the version and in the history")
    command.set_defaults(act=lambda options: store.rollback(options.reason))

    command = commands.add_parser("search-worker", help="help a search that is under way, here or on another machine")
    command.add_argument("--system", required=True)
    command.set_defaults(act=lambda options: search.search_worker(options.system))

    command = commands.add_parser("studies", help="list the searches of the corpus at work")
    command.add_argument("--remove-old", action="store_true", help="remove those of other data, params or code")
    command.set_defaults(act=lambda options: search.studies(options.remove_old))

    command = commands.add_parser("join", help="join what a step wrote of each part (docs/scale.md)")
    command.add_argument("output", type=Path)
    command.add_argument("parts", nargs="+", type=Path, metavar="PART", help="folders, in the order of the parts")
    command.set_defaults(act=lambda options: join(options.parts, options.output))

    command = commands.add_parser("publish", help="put finished units and trials under papers/, for git")
    command.set_defaults(act=lambda options: results.publish())

    command = commands.add_parser("table", help="print the table of systems")
    command.set_defaults(act=lambda options: results.table())
    return parser


if __name__ == "__main__":
    sys.exit(main())
