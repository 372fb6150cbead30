"""A device bundle: opened, verified, and read as typed values."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Iterator

from speech_emotion_jetson.archive import unpack
from speech_emotion_jetson.checksums import CHECKSUMS, refuse_others, verify
from speech_emotion_jetson.errors import UserError
from speech_emotion_jetson.signature import SIGNATURE, verify_signature

BUNDLE = "bundle.json"
CARD = "MODEL_CARD.md"
KIND = "speech-emotion-device-bundle"
FORMAT = 2
LEVELS = ("none", "peak", "rms")
ENGINES = "engines"  # built on the device by build_engine.sh, so it has no checksums


@dataclass(frozen=True)
class Variant:
    """One form of the model.

    Attributes:
        name: such as "fp32".
        path: of the ONNX file.
        description: a line for people.
        engine: where build_engine.sh writes TensorRT's plan; None if this form is not for TensorRT.
        engine_only: it shares the ONNX file of another variant, and gets its own precision only as an engine.
    """

    name: str
    path: Path
    description: str
    engine: Path | None
    engine_only: bool = False


@dataclass(frozen=True)
class Interface:
    """What a model expects and what its outputs mean.

    Attributes:
        folder: that holds the model.
        labels: emotions in the order of the graph's output.
        input: name of the graph's input, (1, window_samples) float32; output: (1, labels).
        sample_rate: Hz of the waveform that the graph reads.
        level: how a waveform is normalised: its peak or its RMS is set to `level_dbfs`, or "none"; one of LEVELS.
        level_dbfs: target level, -100 to 0 dBFS.
        window_samples: length of one window.
        hop_samples: between the starts of neighbouring windows.
        frame_hop_samples: between frames; the last window ends with the last whole frame.
        least_samples: a shorter recording is repeated to this length, as in training.
        temperature: divides the logarithms of a recording's probabilities.
        out_of_distribution: file of the out-of-distribution detector.
    """

    folder: Path
    labels: tuple[str, ...]
    input: str
    output: str
    sample_rate: int
    level: str
    level_dbfs: float
    window_samples: int
    hop_samples: int
    frame_hop_samples: int
    least_samples: int
    temperature: float
    out_of_distribution: Path


@dataclass(frozen=True)
class Bundle(Interface):
    """What the runtime knows of a model.

    Attributes:
        title: of the system.
        source: version of the registered model that the bundle was made from, or "".
        synthetic: trained on synthesised speech, so its answers mean nothing for real speakers.
        licences: of the training data.
        variants: name -> form of the model.
        default: name of the variant that is used if none is chosen.
        samples: recordings for trying the page.
    """

    title: str
    source: str
    synthetic: bool
    licences: tuple[str, ...]
    variants: dict[str, Variant]
    default: str
    samples: tuple[Path, ...]

    def variant(self, name: str | None) -> Variant:
        """The variant of this name, the default one for None; raises UserError if there is none of that name."""
        if (name or self.default) not in self.variants:
            raise UserError(f"--variant = {name}: is not in this bundle: choose among {', '.join(self.variants)}")
        return self.variants[name or self.default]


@contextmanager
def opened(path: Path, trusted: Path | None = None) -> Iterator[Bundle]:
    """Opens and verifies a bundle; an archive is unpacked to a temporary folder until the `with` block ends.

    Args:
        path: the bundle's folder or its .tar.gz.
        trusted: file of public keys; one of them must have signed the bundle. None requires no signature.

    Raises:
        UserError: it is absent, damaged, changed or not signed, holds files that were not packed, or has another
            format.
    """
    path = Path(path)
    if path.is_dir():
        names = _verified(path, trusted)
        if trusted is not None:
            # Engines are built on the device, and the user may keep the file of keys here.
            refuse_others(path, {*names, CHECKSUMS, SIGNATURE, f"{ENGINES}/", *_within(path, trusted)})
        yield _read(path, names)
        return
    with TemporaryDirectory(prefix="speech-emotion-") as scratch:
        folder = unpack(path, Path(scratch))
        names = _verified(folder, trusted)
        refuse_others(folder, {*names, CHECKSUMS, SIGNATURE})  # an archive holds no engines
        yield _read(folder, names)


def _verified(folder: Path, trusted: Path | None) -> frozenset[str]:
    """Verifies checksums, and the signature if `trusted` is given; returns the names of all packed files."""
    if trusted is not None:
        verify_signature(folder, trusted)
    return verify(folder)


def _within(folder: Path, path: Path) -> list[str]:
    """The name of a file within the folder; empty for a file elsewhere."""
    try:
        return [path.resolve().relative_to(folder.resolve()).as_posix()]
    except ValueError:
        return []


def _read(folder: Path, names: frozenset[str]) -> Bundle:
    path = folder / BUNDLE
    if BUNDLE not in names:
        raise UserError(f"{path}: is not among the checksums: copy the whole bundle again")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}): copy the whole bundle again") from None
    if not isinstance(raw, dict) or raw.get("kind") != KIND:
        raise UserError(f"{path}: is not a device bundle's: make one with speech-emotion device-bundle")
    if raw.get("format") != FORMAT:
        raise UserError(
            f"{path}: format = {raw.get('format')}: this runtime reads format {FORMAT}: use the runtime in "
            "the bundle, or make the bundle again"
        )
    return _bundle(Values(path, raw, "make the bundle again"), names)


def _bundle(values: Values, names: frozenset[str]) -> Bundle:
    folder = values.path.parent

    def file(name: Any) -> Path:
        if name not in names:
            raise UserError(f"{values.path}: {name!r} is not among the checksums: copy the whole bundle again")
        return folder / name

    variants = {
        name: Variant(
            name,
            file(one["file"]),
            str(one.get("description", "")),
            folder / ENGINES / f"{name}.plan" if one.get("tensorrt") is True else None,
            one.get("engine_only") is True,
        )
        for name, one in values.take("variants", dict).items()
        if isinstance(one, dict) and "file" in one
    }
    default = values.take("default", str)
    if default not in variants:
        values.refuse("default", f"must be one of the variants {', '.join(variants) or '(none)'}")
    return Bundle(
        **values.interface(),
        out_of_distribution=file(values.take("out_of_distribution", str)),
        title=values.take("title", str),
        source=values.take("source", str),
        synthetic=values.take("synthetic", bool),
        licences=tuple(values.texts("licences")),
        variants=variants,
        default=default,
        samples=tuple(file(name) for name in values.texts("samples")),
    )


class Values:
    """Takes typed values out of bundle.json; a wrong value raises a UserError that names it.

    Args:
        path: of bundle.json, for messages; the model is in the same folder.
        raw: the file's content.
        cure: how the user can correct a wrong value, for messages.
    """

    def __init__(self, path: Path, raw: dict[str, Any], cure: str):
        self.path, self._raw, self._cure = path, raw, cure

    def interface(self) -> dict[str, Any]:
        """The attributes of an Interface, except the path of out_of_distribution.json."""
        window, frame = self._whole("window_samples", 1, 1 << 24), self._whole("frame_hop_samples", 1, 1 << 20)
        hop = self._whole("hop_samples", frame, 1 << 24)
        if hop % frame:
            self.refuse("hop_samples", f"must be a multiple of frame_hop_samples = {frame}")
        labels = tuple(self.texts("labels"))
        if len(labels) < 2 or len(set(labels)) != len(labels):
            self.refuse("labels", "must be two or more, each once")
        level = self.take("level", dict)
        kind, dbfs = level.get("kind"), level.get("dbfs", 0.0)
        if kind not in LEVELS or not isinstance(dbfs, (int, float)) or not -100 <= dbfs <= 0:
            self.refuse("level", f"must be one of {', '.join(LEVELS)} at -100 to 0 dBFS")
        return {
            "folder": self.path.parent,
            "labels": labels,
            "input": self.take("input", str),
            "output": self.take("output", str),
            "sample_rate": self._whole("sample_rate", 8000, 96000),
            "level": kind,
            "level_dbfs": float(dbfs),
            "window_samples": window,
            "hop_samples": hop,
            "frame_hop_samples": frame,
            "least_samples": self._whole("least_samples", window, 1 << 24),
            "temperature": self._temperature(),
        }

    def take(self, key: str, kind: type) -> Any:
        """The value of a key; raises UserError if it is missing or not of type `kind`."""
        if key not in self._raw:
            raise UserError(f"{self.path}: {key}: is missing: {self._cure}")
        value = self._raw[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.refuse(key, f"must be {kind.__name__}")
        return value

    def texts(self, key: str) -> list[str]:
        """The value of a key, which must be a list of strings."""
        values = self.take(key, list)
        if not all(isinstance(value, str) for value in values):
            self.refuse(key, "must be a list of strings")
        return values

    def refuse(self, key: str, rule: str) -> None:
        """Raises UserError: the value of `key` breaks `rule`, a phrase such as "must be 1 or more"."""
        shown = json.dumps(self._raw.get(key))[:80]
        raise UserError(f"{self.path}: {key} = {shown}: {rule}: {self._cure}")

    def _whole(self, key: str, least: int, most: int) -> int:
        value = self.take(key, int)
        if not least <= value <= most:
            self.refuse(key, f"must be within {least} and {most}")
        return value

    def _temperature(self) -> float:
        value = self._raw.get("temperature")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.01 <= value <= 100:
            self.refuse("temperature", "must be within 0.01 and 100")
        return float(value)
