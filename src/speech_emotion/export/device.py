"""Makes device bundles: all that a small device needs, as a folder, or as a .tar.gz with the same bytes each time.

A bundle contains the package in jetson/, which reads it; the device only has to install the bundle's requirements.
"""

import gzip
import itertools
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import speech_emotion_jetson
from speech_emotion.corpora.synthesis import Line, write_lines
from speech_emotion.corpora.synthesis_prosody import EMOTIONS
from speech_emotion.errors import UserError
from speech_emotion.export.engines import engines, reports, write_reports
from speech_emotion.export.files import BUNDLE, CALIBRATION, CARD, FP32, INT8, INT8_CPU, OUT_OF_DISTRIBUTION, PRUNED
from speech_emotion.store.atomic import atomic_file, atomic_folders
from speech_emotion.store.hashing import sha256_file
from speech_emotion_jetson.bundle import FORMAT, KIND
from speech_emotion_jetson.checksums import CHECKSUMS
from speech_emotion_jetson.signature import NAMESPACE, SIGNATURE

RUNTIME = Path(speech_emotion_jetson.__file__).parent  # the device's package
ARCHIVE = ".tar.gz"
SAMPLES = "samples"
SCRIPTS = ("run", "build_engine.sh")  # executable ones among the bundled files
COPIED = (  # from the export's bundle.json
    "system", "title", "paper", "labels", "input", "output", "sample_rate", "level", "window_samples", "hop_samples",
    "frame_hop_samples", "least_samples", "temperature", "parameters", "corpora", "licences", "synthetic",
)  # fmt: skip
VOICES = (("01", "t2"), ("02", "t4"))  # speaker and text of the samples, taken in turn
MOST_CHANGES = 3  # emotions in the sample that changes emotion


@dataclass(frozen=True)
class Variant:
    """One form of the model on the device.

    Attributes:
        name: such as "int8-trt"; TensorRT's engine becomes engines/<name>.plan.
        file: the ONNX file; several variants may share one.
        description: a line for people.
        precision: of TensorRT's engine, one of precision.PRECISIONS; None if this form is not for TensorRT.
    """

    name: str
    file: Path
    description: str
    precision: str | None


def exported_variants(exported: Path) -> list[Variant]:
    """The forms of the model in the export step's folder."""
    found = [
        Variant(name, exported / one.file, one.description, one.precision) for name, one in engines(exported).items()
    ]
    for_cpus = "8-bit weights, all windows of a recording at once, for CPUs"
    found.append(Variant("int8-cpu", exported / INT8_CPU, for_cpus, None))
    if (exported / (PRUNED + INT8_CPU)).is_file():
        found.append(Variant(f"{PRUNED}int8-cpu", exported / (PRUNED + INT8_CPU), f"filters removed; {for_cpus}", None))
    return found


def make_device_bundle(
    exported: Path,
    output: Path,
    variants: Sequence[Variant] | None = None,
    default: str = "fp32",
    source: str = "",
    key: Path | None = None,
) -> Path:
    """Makes the device bundle of an export; it is written whole or not at all.

    Args:
        exported: folder that the export step wrote.
        output: a folder, or a file that ends with .tar.gz; replaces an earlier bundle.
        variants: forms of the model; None takes those of the export step.
        default: name of the variant that is used if none is chosen.
        source: version in the registry, such as models:/speech-emotion/3.
        key: private OpenSSH Ed25519 key to sign the checksums with.

    Returns:
        `output`.

    Raises:
        UserError: the export is absent, incomplete or by an older version, the key cannot sign, or `check_output`
            refuses `output`.
    """
    check_output(output)
    if not output.name.endswith(ARCHIVE):
        with atomic_folders(output.resolve()) as (folder,):
            _fill(folder, exported, variants, default, source, key)
        return output
    with TemporaryDirectory() as scratch, atomic_file(output) as temporary:
        folder = Path(scratch) / output.name.removesuffix(ARCHIVE)
        folder.mkdir()
        _fill(folder, exported, variants, default, source, key)
        pack(folder, temporary)
    return output


def check_output(output: Path) -> None:
    """Raises UserError if a bundle at `output` would replace anything but an earlier bundle."""
    place, here = output.resolve(), Path.cwd()
    if output.name.endswith(ARCHIVE):
        if place.is_dir():
            raise UserError(f"output = {output}: is a folder: name a new file")
        return
    if place == here or place in here.parents:
        raise UserError(f"output = {output}: holds the working folder: name a new one, or {output / 'NAME'}{ARCHIVE}")
    if place.is_dir():
        if any(place.iterdir()) and not _is_bundle(place):
            raise UserError(
                f"output = {output}: is a folder with other files: name a new one, or {output / 'NAME'}{ARCHIVE}"
            )
    elif place.exists():
        raise UserError(f"output = {output}: is a file: name a folder, or {output}{ARCHIVE}")


def _is_bundle(folder: Path) -> bool:
    try:
        description = json.loads((folder / BUNDLE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(description, dict) and description.get("kind") == KIND


def pack(folder: Path, archive: Path) -> None:
    """Writes the files of `folder` to the .tar.gz `archive`: sorted, without owners and times."""
    with (
        open(archive, "wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for path in _files(folder):
            member = tarfile.TarInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}")
            member.size, member.mode = path.stat().st_size, 0o755 if path.stat().st_mode & 0o100 else 0o644
            with path.open("rb") as content:
                tar.addfile(member, content)


def _fill(
    folder: Path, exported: Path, variants: Sequence[Variant] | None, default: str, source: str, key: Path | None
) -> None:
    description = _description(exported)
    variants = exported_variants(exported) if variants is None else variants
    if default not in {variant.name for variant in variants}:
        raise UserError(f"default = {default}: is none of the variants: name one of them")
    (folder / "models").mkdir()
    files = _copy_models(folder, variants)
    found = reports({one.name: (one.file, one.precision) for one in variants if one.precision is not None})
    for name, report in found.items():
        flags = [f"--onnx={files[name]}", *report.flags()]
        if report.precision == "int8-calibrated":
            shutil.copyfile(exported / CALIBRATION, folder / "models" / CALIBRATION)
            flags.append(f"--calib=models/{CALIBRATION}")
        text = "".join(f"{flag}\n" for flag in flags)
        (folder / f"models/{name}.flags").write_text(text, encoding="utf-8")
    write_reports(folder, found)
    for name in (OUT_OF_DISTRIBUTION, CARD):
        shutil.copyfile(exported / name, folder / name)
    bundled = resources.files("speech_emotion.export").joinpath("bundled")
    for part in bundled.iterdir():
        (folder / part.name).write_bytes(part.read_bytes())
        (folder / part.name).chmod(0o755 if part.name in SCRIPTS else 0o644)
    shutil.copytree(RUNTIME, folder / "runtime" / RUNTIME.name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    samples = list(_samples(folder / SAMPLES, description["labels"]))
    _write_json(
        folder / BUNDLE,
        {
            "kind": KIND,
            "format": FORMAT,
            "source": source,
            **{name: description[name] for name in COPIED},
            "variants": {
                variant.name: {
                    "file": files[variant.name],
                    "description": variant.description,
                    "tensorrt": variant.precision is not None,
                    "engine_only": files[variant.name] != f"models/{variant.name}.onnx",
                }
                for variant in variants
            },
            "default": default,
            "out_of_distribution": OUT_OF_DISTRIBUTION,
            "samples": [path.relative_to(folder).as_posix() for path in samples],
        },
    )
    lines = [f"{sha256_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in _files(folder)]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="utf-8")
    if key is not None:
        _sign(folder / CHECKSUMS, folder / SIGNATURE, key)


def _copy_models(folder: Path, variants: Sequence[Variant]) -> dict[str, str]:
    """Copies each file once, under the name of the first variant that takes it; returns the place of each variant's."""
    taken: dict[Path, str] = {}
    for variant in variants:
        if variant.file not in taken:
            taken[variant.file] = f"models/{variant.name}.onnx"
            shutil.copyfile(variant.file, folder / taken[variant.file])
    return {variant.name: taken[variant.file] for variant in variants}


def _description(exported: Path) -> dict[str, Any]:
    """bundle.json of the export, after comparing the files with their sha256 in it."""
    path = exported / BUNDLE
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: is not there: run the export step (dvc repro), or name another folder") from None
    except ValueError as error:
        raise UserError(f"{path}: is damaged ({error}): run the export step again (dvc repro)") from None
    if missing := [name for name in (*COPIED, "sha256") if name not in description]:
        raise UserError(f"{path}: {missing[0]}: is missing: run the export step again (dvc repro)")
    for name in (FP32, INT8, INT8_CPU, OUT_OF_DISTRIBUTION, CALIBRATION, CARD):
        if not (exported / name).is_file():
            raise UserError(f"{exported / name}: is not there: run the export step again (dvc repro)")
    for name, expected in description["sha256"].items():
        if sha256_file(exported / name) != expected:
            raise UserError(f"{exported / name}: is not the file that {BUNDLE} describes: run the export step again")
    return description


def _samples(folder: Path, labels: Sequence[str]) -> Iterator[Path]:
    """Synthesises recordings for trying the page: one of each emotion that can be synthesised, and one that changes."""
    folder.mkdir()
    emotions = [label for label in labels if label in EMOTIONS]
    voices = itertools.cycle(VOICES)
    for emotion in emotions:
        speaker, text = next(voices)
        yield write_lines(folder / f"{emotion}.wav", [Line(speaker, text, emotion, 1)])
    changes = emotions[:: max(1, len(emotions) // MOST_CHANGES)][:MOST_CHANGES]
    if len(changes) > 1:
        lines = [Line(*VOICES[0], emotion, 1) for emotion in changes]
        yield write_lines(folder / f"{'-then-'.join(changes)}.wav", lines)


def _files(folder: Path) -> list[Path]:
    return sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.as_posix())


def _sign(signed: Path, signature: Path, key: Path) -> None:
    """Signs with OpenSSH, which every L4T has, so that the device needs no further library to verify it."""
    program = shutil.which("ssh-keygen")
    if program is None:
        raise UserError("ssh-keygen: is not there: install OpenSSH's client, or omit the key")
    command = [program, "-Y", "sign", "-q", "-f", str(key), "-n", NAMESPACE]
    with signed.open("rb") as content:
        finished = subprocess.run(command, stdin=content, capture_output=True, check=False)
    if finished.returncode:
        said = finished.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UserError(
            f"key = {key}: cannot sign ({said[-1] if said else 'refused'}): ssh-keygen -t ed25519 makes one"
        )
    signature.write_bytes(finished.stdout)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
