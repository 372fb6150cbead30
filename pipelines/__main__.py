"""`python -m pipelines COMMAND`: compiles the pipelines, runs them on this machine, or hands them to a cluster."""

import argparse
import os
import sys
from pathlib import Path

from pipelines.cluster_commands import add_commands
from pipelines.compiled import Compiled
from pipelines.compiling import COMPILED, PIPELINES, build, compile_all, compile_pipeline
from pipelines.environment import read_environment
from pipelines.runners import KINDS, Place
from pipelines.settings import load_settings, on_this_machine
from speech_emotion.corpora.versions import folder_hash
from speech_emotion.errors import UserError, exit_status
from speech_emotion.learning.devices import CUDA, device_kind
from speech_emotion.params import load_params

ROOT = Path("artifacts/pipelines")
ARTIFACTS = Path("artifacts")
DATA = Path("data")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    compiled = commands.add_parser("compile", help="all pipelines to YAML")
    compiled.add_argument("--out", type=Path, default=COMPILED, help="folder, by default %(default)s")
    running = commands.add_parser("run", help="one pipeline on this machine")
    running.add_argument("pipeline", nargs="?", default="train", choices=sorted(PIPELINES))
    running.add_argument("--runner", default="subprocess", choices=sorted(KINDS))
    running.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="of the pipeline")
    running.add_argument("--root", type=Path, default=ROOT, help="folder of the runs, by default %(default)s")
    running.add_argument(
        "--cache", type=Path, default=ARTIFACTS, help="folder with the finished units, by default %(default)s"
    )
    running.add_argument(
        "--env-file",
        type=Path,
        help="lines NAME=VALUE, e.g. keys of stores; # after a space starts a comment unless the value is quoted; "
        "variables that are already set keep their values",
    )
    hashing = commands.add_parser("data-hash", help="hash of a corpus's files, for the parameter data_hash")
    hashing.add_argument("corpus", nargs="?", help="default: the corpus of params.yaml")
    compiled.set_defaults(act=_compile)
    running.set_defaults(act=_run)
    hashing.set_defaults(act=_data_hash)
    add_commands(commands)
    options = parser.parse_args(arguments)
    return exit_status(lambda: options.act(options))


def _compile(options: argparse.Namespace) -> int:
    for path in compile_all(options.out):
        print(path)
    return 0


def _run(options: argparse.Namespace) -> int:
    from pipelines.running import run

    params = load_params()
    gpu = options.runner == "docker" and params.train.device == CUDA
    if not gpu:  # for containers, Docker is asked whether there is one
        device_kind(params.train.device)
    arguments = _arguments(options, params.corpus)
    variables = read_environment(options.env_file) if options.env_file else {}
    os.environ.update({name: value for name, value in variables.items() if name not in os.environ})
    place = Place(
        options.root,
        None if arguments.get("revision") else DATA,
        options.cache,
        params.track.model_dump_json(),
        params.workers,
        frozenset(variables),
        gpu,
    )
    settings = on_this_machine(load_settings(), gpu)
    run(build(options.pipeline, settings, local=True), arguments, place, options.runner)
    return 0


def _arguments(options: argparse.Namespace, corpus: str) -> dict[str, object]:
    """The user's arguments, with defaults for the parameters revision and data_hash taken from the folder data/."""
    path = compile_pipeline(options.pipeline, options.root / "compiled")
    compiled = Compiled.read(path)
    words = list(options.param)
    given = {word.partition("=")[0] for word in words}
    if {"revision", "data_hash"} <= compiled.parameters.keys():
        if "corpus" in given:
            corpus = next(word.partition("=")[2] for word in words if word.startswith("corpus="))
        # an empty revision: the files in data/ are used as they are
        words += ["revision="] if "revision" not in given else []
        words += [f"data_hash={_hash(corpus)}"] if "data_hash" not in given else []
    return compiled.arguments(words)


def _hash(corpus: str) -> str:
    folder = DATA / corpus
    if not folder.is_dir():
        raise UserError(f"{folder}: does not exist: run make data CORPUS={corpus}")
    return folder_hash(folder)


def _data_hash(options: argparse.Namespace) -> int:
    print(_hash(options.corpus or load_params().corpus))
    return 0


if __name__ == "__main__":
    sys.exit(main())
