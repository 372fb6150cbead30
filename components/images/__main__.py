"""`python -m components.images COMMAND`, which make images and make images-push call."""

import argparse
import sys

from components.images.making import build, publish
from components.images.names import NAMES, SHOWN
from speech_emotion.errors import exit_status


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m components.images", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build", help="build on this machine; arguments after -- are passed to docker build")
    publishing = commands.add_parser("publish", help=f"push, and record the digests in {SHOWN}")
    publishing.add_argument("--registry", required=True, help="host[:port][/folder]")
    for command in (building, publishing):
        command.add_argument("--variant", action="append", choices=sorted(NAMES), help="default: cpu only")
    words = sys.argv[1:] if arguments is None else arguments
    own, flags = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    options = parser.parse_args(own)
    return exit_status(lambda: _run(options, flags))


def _run(options: argparse.Namespace, flags: list[str]) -> None:
    variants = options.variant or ["cpu"]
    if options.command == "build":
        done = build(variants, flags)
    else:
        done = publish(variants, options.registry)
        done.append(f"{SHOWN}: written; commit it, so that pipelines use these images")
    print(*done, sep="\n")


if __name__ == "__main__":
    sys.exit(main())
