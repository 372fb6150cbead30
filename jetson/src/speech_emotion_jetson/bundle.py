"""A device bundle: opened, proved whole, and read as typed values."""

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
FORMAT = 1
LEVELS = ("none", "peak", "rms")
ENGINES = "engines"  # built on the device by build_engine.sh, hence not among the checksums


@dataclass(frozen=True)
class Variant:
    """One form of the model.

    Attributes:
        name: such as "fp32".
        path: of the ONNX file.
        description: a line for people.
        engine: where build_engine.sh writes TensorRT's plan, or None where this form is not for TensorRT.
        engine_only: the file itself is another variant's; its own precision it has as an engine alone.
    """

    name: str
    path: Path
    description: str
    engine: Path | None
    engine_only: bool = False


@dataclass(frozen=True)
class Bundle:
    """What the runtime knows of a model.

    Attributes:
        folder: of the bundle.
        title: of the system.
        source: version of the registry's model that this was made of, or "".
        synthetic: trained on synthesised speech, so that it says nothing about people.
        labels: emotions in the order of the graph's output.
        input: name of the graph's input, (1, window_samples) float32; output: (1, labels).
        sample_rate: Hz of the waveform that the graph reads.
        level: what of a waveform is brought to `level_dbfs`: one of LEVELS.
        window_samples: of one window.
        hop_samples: between the starts of neighbouring windows.
        frame_hop_samples: between frames; the last window ends with the last whole frame.
        least_samples: a shorter recording is repeated to this length, as in training.
        temperature: divides the logarithms of probabilities.
        variants: name -> form of the model.
        default: the variant that is used where none is asked for.
        likeness: file that describes the training speech.
        samples: recordings to try the page with.
    """

    folder: Path
    title: str
    source: str
    synthetic: bool
    licences: tuple[str, ...]
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
    variants: dict[str, Variant]
    default: str
    likeness: Path
    samples: tuple[Path, ...]

    def variant(self, name: str | None) -> Variant:
        """The variant of this name, or the default; UserError where there is none of that name."""
        if (name or self.default) not in self.variants:
            raise UserError(f"--variant = {name}: is not in this bundle: choose among {', '.join(self.variants)}")
        return self.variants[name or self.default]


@contextmanager
def opened(path: Path, trusted: Path | None = None) -> Iterator[Bundle]:
    """A bundle that is whole: a folder, or an archive, which is unpacked for as long as the block lasts.

    Args:
        trusted: public keys of which one must have signed it; None asks for no signature.

    Raises:
        UserError: not there, damaged, changed, not signed, with files that were not packed, or of another format.
    """
    path = Path(path)
    if path.is_dir():
        names = _proved(path, trusted)
        if trusted is not None:
            # The device's own, as is the file of keys: the user has named it.
            refuse_others(path, {*names, CHECKSUMS, SIGNATURE, f"{ENGINES}/", *_within(path, trusted)})
        yield _read(path, names)
        return
    with TemporaryDirectory(prefix="speech-emotion-") as scratch:
        folder = unpack(path, Path(scratch))
        names = _proved(folder, trusted)
        refuse_others(folder, {*names, CHECKSUMS, SIGNATURE})  # no device has built engines in an archive
        yield _read(folder, names)


def _proved(folder: Path, trusted: Path | None) -> frozenset[str]:
    """The names of all files that were packed, each of which is whole and, where `trusted` is given, signed."""
    if trusted is not None:
        verify_signature(folder, trusted)
    return verify(folder)


def _within(folder: Path, path: Path) -> list[str]:
    """The name of a file of the folder; of a file elsewhere nothing."""
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
        raise UserError(f"{path}: describes no device bundle: make one with speech-emotion device-bundle")
    if raw.get("format") != FORMAT:
        raise UserError(
            f"{path}: format = {raw.get('format')}: this runtime reads format {FORMAT}: take its own runtime"
        )
    return _Reader(folder, raw, names).bundle()


class _Reader:
    """Takes typed values out of bundle.json; what does not fit is named with the file."""

    def __init__(self, folder: Path, raw: dict[str, Any], names: frozenset[str]):
        self._folder, self._raw, self._names = folder, raw, names

    def bundle(self) -> Bundle:
        window, frame = self._whole("window_samples", 1, 1 << 24), self._whole("frame_hop_samples", 1, 1 << 20)
        hop = self._whole("hop_samples", frame, 1 << 24)
        if hop % frame:
            self._refuse("hop_samples", f"must be a multiple of frame_hop_samples = {frame}")
        labels = tuple(self._texts("labels"))
        if len(labels) < 2 or len(set(labels)) != len(labels):
            self._refuse("labels", "must be two or more, each once")
        level = self._take("level", dict)
        kind, dbfs = level.get("kind"), level.get("dbfs", 0.0)
        if kind not in LEVELS or not isinstance(dbfs, (int, float)) or not -100 <= dbfs <= 0:
            self._refuse("level", f"must be one of {', '.join(LEVELS)} at -100 to 0 dBFS")
        variants = {
            name: Variant(
                name,
                self._file(one["file"]),
                str(one.get("description", "")),
                self._engine(name, one),
                one.get("engine_only") is True,
            )
            for name, one in self._take("variants", dict).items()
            if isinstance(one, dict) and "file" in one
        }
        default = self._take("default", str)
        if default not in variants:
            self._refuse("default", f"must be one of the variants {', '.join(variants) or '(none)'}")
        return Bundle(
            folder=self._folder,
            title=self._take("title", str),
            source=self._take("source", str),
            synthetic=self._take("synthetic", bool),
            licences=tuple(self._texts("licences")),
            labels=labels,
            input=self._take("input", str),
            output=self._take("output", str),
            sample_rate=self._whole("sample_rate", 8000, 96000),
            level=kind,
            level_dbfs=float(dbfs),
            window_samples=window,
            hop_samples=hop,
            frame_hop_samples=frame,
            least_samples=self._whole("least_samples", window, 1 << 24) if "least_samples" in self._raw else window,
            temperature=self._temperature(),
            variants=variants,
            default=default,
            likeness=self._file(self._take("likeness", str)),
            samples=tuple(self._file(name) for name in self._texts("samples")),
        )

    def _take(self, key: str, kind: type) -> Any:
        value = self._raw.get(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self._refuse(key, f"must be {kind.__name__}")
        return value

    def _texts(self, key: str) -> list[str]:
        values = self._take(key, list)
        if not all(isinstance(value, str) for value in values):
            self._refuse(key, "must be names")
        return values

    def _whole(self, key: str, least: int, most: int) -> int:
        value = self._take(key, int)
        if not least <= value <= most:
            self._refuse(key, f"must lie within {least} and {most}")
        return value

    def _temperature(self) -> float:
        value = self._raw.get("temperature")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.01 <= value <= 100:
            self._refuse("temperature", "must lie within 0.01 and 100")
        return float(value)

    def _file(self, name: Any) -> Path:
        if name not in self._names:
            raise UserError(
                f"{self._folder / BUNDLE}: {name!r} is not among the checksums: copy the whole bundle again"
            )
        return self._folder / name

    def _engine(self, name: str, one: dict[str, Any]) -> Path | None:
        return self._folder / ENGINES / f"{name}.plan" if one.get("tensorrt") is True else None

    def _refuse(self, key: str, rule: str) -> None:
        shown = json.dumps(self._raw.get(key))[:80]
        raise UserError(f"{self._folder / BUNDLE}: {key} = {shown}: {rule}: make the bundle again")
