"""Joins the parts of a sharded step's output into the output that the step writes for all utterances at once."""

import filecmp
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from speech_emotion.errors import UserError
from speech_emotion.store.arrays import SHARD, ArrayWriter, read_batches, shard_path, shards_of
from speech_emotion.store.atomic import atomic_folders


def join(parts: Sequence[Path | str], output: Path | str) -> None:
    """Joins the folders that a step wrote for its parts into `output`, which appears completely or not at all.

    Folders of arrays, at any depth, get the shards of all parts, utterances before copies and both in the order of
    `parts`, so that ids are in the same order as without parts. Shards are linked, or copied if that is impossible; no
    array is read. Other files (copies.json, names.json) must be equal in all parts.

    Args:
        parts: their folders, in the order of the parts. A part without arrays has the same folders.
        output: the joined folder.

    Raises:
        UserError: there are no parts, an id is in two parts, or a file is missing in a part or differs between two.
    """
    folders = [Path(part) for part in parts]
    if not folders:
        raise UserError(f"{output}: parts = none: give one folder for each part")
    contents = [_contents(folder) for folder in folders]
    for folder, found in zip(folders[1:], contents[1:], strict=True):
        if odd := sorted(found ^ contents[0]):
            with_it, without = (folder, folders[0]) if odd[0] in found else (folders[0], folder)
            raise UserError(
                f"{odd[0]}: is in part {with_it}, not in part {without}: make both with the same params and revision"
            )
    with atomic_folders(output) as (joined,):
        for name in sorted(contents[0]):
            target = joined / name
            if (folders[0] / name).is_dir():
                target.mkdir(parents=True, exist_ok=True)
                _join_arrays([folder / name for folder in folders], target)
            else:
                _check_same(name, folders)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folders[0] / name, target)


def _contents(folder: Path) -> set[Path]:
    """The folders of arrays and other files in a part, relative to it.

    Raises:
        UserError: the folder does not exist.
    """
    if not folder.is_dir():
        raise UserError(f"part {folder}: is not a folder: run the step on this part first")
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return {path.parent if SHARD.fullmatch(path.name) else path for path in files}


def _check_same(name: Path, folders: Sequence[Path]) -> None:
    for other in folders[1:]:
        if not filecmp.cmp(folders[0] / name, other / name, shallow=False):
            raise UserError(
                f"{name}: differs between parts {folders[0]} and {other}: make both with the same params and revision"
            )


def _join_arrays(folders: Sequence[Path], target: Path) -> None:
    of_utterances: list[Path] = []
    of_copies: list[Path] = []
    owners: dict[str, Path] = {}
    for folder in folders:
        for shard in shards_of(folder):
            copies = None
            for batch in read_batches(shard):
                ids, sources = batch.column("id").to_pylist(), batch.column("source")
                copies = ids[0] != sources[0].as_py()
                for id in ids:
                    if id in owners:
                        raise UserError(f"{id}: is in parts {owners[id]} and {folder}: give each part once")
                owners.update(dict.fromkeys(ids, folder))
            if copies is not None:
                (of_copies if copies else of_utterances).append(shard)
    for number, shard in enumerate([*of_utterances, *of_copies]):
        _link(shard, shard_path(target, number))
    if not owners:
        ArrayWriter(target).close()  # as a step does without utterances


def _link(file: Path, target: Path) -> None:
    try:
        os.link(file.resolve(), target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(file, target)
