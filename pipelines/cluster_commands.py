"""The commands `python -m pipelines submit` and `schedule`, which run pipelines on a cluster."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from components.images.names import read_digests
from pipelines.compiled import Compiled
from pipelines.compiling import COMPILED, PIPELINES, compile_pipeline
from pipelines.settings import load_settings
from pipelines.submitting import DIRTY, Trigger, schedule, submit
from speech_emotion.corpora.versions import recorded_hash
from speech_emotion.errors import UserError
from speech_emotion.params import load_params
from speech_emotion.steps.driver import revision

BUILD = COMPILED
HOST_VARIABLE = "KF_PIPELINES_ENDPOINT"  # kfp's own
REVISION, DATA_HASH, CORPUS = "revision", "data_hash", "corpus"  # parameters of the pipelines that begin with data


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Adds both commands; `act` of the parsed options runs the chosen one and gives its exit status."""
    submitting = commands.add_parser("submit", help="run one pipeline on a cluster now")
    _common(submitting)
    submitting.add_argument("--no-follow", action="store_true", help="return once the run has started")
    submitting.set_defaults(act=_submit)
    scheduling = commands.add_parser("schedule", help="run one pipeline on a cluster regularly")
    _common(scheduling)
    scheduling.add_argument("--cron", help="'minute hour day month weekday', or six fields with seconds first")
    scheduling.add_argument("--every", help="90m, 6h, 1d")
    scheduling.add_argument(
        "--name", help="of the recurring run, by default the pipeline's; one of the same name is replaced"
    )
    scheduling.set_defaults(act=_schedule)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pipeline", nargs="?", default="train", help=f"one of {', '.join(PIPELINES)}; %(default)s")
    parser.add_argument("--host", default="", help=f"address of Kubeflow Pipelines, by default {HOST_VARIABLE}'s")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="of the pipeline")


def _submit(options: argparse.Namespace) -> int:
    settings, compiled = load_settings(), Compiled.read(compile_pipeline(options.pipeline, BUILD))
    commit = revision()
    arguments = compiled.arguments(_words(options.param, compiled, commit))
    _note_revisions(compiled, commit)
    return submit(compiled, arguments, settings, _host(options), commit, not options.no_follow, _say)


def _schedule(options: argparse.Namespace) -> int:
    trigger = Trigger.parse(options.cron, options.every)
    settings, compiled = load_settings(), Compiled.read(compile_pipeline(options.pipeline, BUILD))
    commit = revision()
    arguments = compiled.arguments(_words(options.param, compiled, commit))
    _note_revisions(compiled, commit)
    schedule(compiled, arguments, settings, _host(options), commit, trigger, options.name, _say)
    return 0


def _host(options: argparse.Namespace) -> str:
    return options.host or os.environ.get(HOST_VARIABLE, "")


def _say(line: str) -> None:
    print(line, flush=True)


def _words(given: list[str], compiled: Compiled, commit: str | None) -> list[str]:
    """The user's arguments; by default revision is the current commit, and data_hash what data.dvc records."""
    words = list(given)
    named = dict(word.partition("=")[::2] for word in words)
    if not {REVISION, DATA_HASH} <= compiled.parameters.keys():
        return words
    if REVISION not in named:
        if commit is None:
            raise UserError(f"parameter {REVISION}: has no default outside a git clone: add {REVISION}=COMMIT")
        commit = commit.removesuffix(DIRTY)
        words.append(f"{REVISION}={commit}")
        if not _git("branch", "--remotes", "--contains", commit):
            _say(f"warning: commit {commit[:12]} is on no remote branch: the cluster cannot fetch it: git push")
    if DATA_HASH not in named:
        words.append(f"{DATA_HASH}={recorded_hash(named.get(CORPUS) or load_params().corpus, Path())}")
    return words


def _note_revisions(compiled: Compiled, commit: str | None) -> None:
    """Prints a note for each image that was built from another commit than the pipeline."""
    for published in (read_digests().cpu, read_digests().cuda):
        if published and published.image in compiled.images and published.revision != commit:
            print(
                f"note: image {published.image.partition('@')[0]} was built from {published.revision[:12]}, the "
                f"pipeline from {commit or 'no commit'}: make images-push updates the image",
                file=sys.stderr,
            )


def _git(*arguments: str) -> str:
    """Git's output; "" if it fails or is not installed."""
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
