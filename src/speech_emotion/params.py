"""params.yaml as typed values: the type and range of every key, checked before anything runs.

The values are only in params.yaml; this module has no defaults of its own.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import Field, field_validator, model_validator

from speech_emotion.errors import UserError
from speech_emotion.sections import Section, check, narrowed
from speech_emotion.yaml_files import read_yaml

PARAMS_FILE = Path("params.yaml")

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Device = Literal["cpu", "cuda", "auto"]
CPU: Device = "cpu"

# user:password@, as SQLAlchemy reads it: everything up to the @; only digits before a path are a port
_BEFORE_HOST = re.compile(r"""://[^/?#:\["'\s]*:(?!\d+[/?#"'])[^@]*@""")
_IN_QUERY = re.compile(r"[?&](password|passwd|sslpassword)=", re.IGNORECASE)


def holds_password(text: str) -> bool:
    """Whether an address, possibly within a longer text, contains a password: before the host or in the query."""
    return bool(_BEFORE_HOST.search(text) or _IN_QUERY.search(unquote(text)))


class Ingest(Section):
    min_seconds: Annotated[float, Field(gt=0, le=10)]
    max_seconds: Annotated[float, Field(gt=0, le=36000)]
    silence_dbfs: Annotated[float, Field(ge=-120, lt=0)]
    max_rejected: Share
    undeclared_labels: Literal["reject", "keep"]


class Recipe(Section):
    """How a waveform is preprocessed; anything except level needs the whole utterance and cannot run on the device."""

    level: Literal["none", "peak", "rms"]
    denoise: Literal["none", "spectral-subtraction", "wavelet"]
    vad: bool

    @property
    def not_deployable(self) -> str:
        """Why a system with this recipe cannot run on the device; empty if it can."""
        if self.denoise != "none":
            return f"{self.denoise} looks at the whole utterance"
        if self.vad:
            return "silence removal looks at the whole utterance"
        return ""


class Preprocess(Section):
    sample_rate: Annotated[int, Field(ge=8000, le=48000)]
    recipes: dict[Name, Recipe]
    level_dbfs: Annotated[float, Field(ge=-60, lt=0)]
    vad_threshold_db: Annotated[float, Field(gt=0, le=100)]
    vad_hang_ms: Annotated[float, Field(ge=0, le=1000)]
    oversubtraction: Annotated[float, Field(ge=1, le=10)]
    spectral_floor: Annotated[float, Field(gt=0, lt=1)]
    wavelet: Annotated[str, Field(pattern=r"^(haar|db[1-9]|db1[0-9]|sym[2-9]|coif[1-5])$")]
    wavelet_levels: Annotated[int, Field(ge=1, le=10)]


Interval = Annotated[list[float], Field(min_length=2, max_length=2)]


class Augment(Section):
    seed: Seed
    stretch: Interval
    pitch_semitones: Interval
    snr_db: Interval

    @model_validator(mode="after")
    def _ordered(self) -> "Augment":
        for name in ("stretch", "pitch_semitones", "snr_db"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} = [{low}, {high}]: the first must not exceed the second")
        if self.stretch[0] < 0.25 or self.stretch[1] > 4:
            raise ValueError(f"stretch = {self.stretch}: must be between 0.25 and 4")
        return self


FRONT_END_KINDS = ("spectrogram", "mspec", "mfcc", "energy")


class Feature(Section):
    """A named feature definition. Frames and hops are in samples; each kind requires its own further keys."""

    kind: Literal[
        "spectrogram",
        "mspec",
        "mfcc",
        "energy",
        "f0",
        "voicing",
        "zcr",
        "chroma",
        "formants",
        "speech-rate",
        "statistics",
    ]
    frame: Annotated[int, Field(ge=16, le=65536)] | None = None
    hop: Annotated[int, Field(ge=1, le=65536)] | None = None
    n_fft: Annotated[int, Field(ge=16, le=65536)] | None = None
    window: Literal["hamming", "hann", "boxcar"] | None = None
    preemphasis: Annotated[float, Field(ge=0, lt=1)] | None = None
    n_bands: Annotated[int, Field(ge=1, le=4096)] | None = None
    log: bool | None = None
    n_mels: Annotated[int, Field(ge=1, le=512)] | None = None
    n_mfcc: Annotated[int, Field(ge=1, le=512)] | None = None
    n_formants: Annotated[int, Field(ge=1, le=6)] | None = None
    fmin: Annotated[float, Field(ge=20, le=20000)] | None = None
    fmax: Annotated[float, Field(ge=20, le=20000)] | None = None
    deltas: Annotated[int, Field(ge=0, le=2)] = 0
    of: list[Name] | None = None

    @model_validator(mode="after")
    def _complete(self) -> "Feature":
        frames = ("frame", "hop")
        spectrum = (*frames, "n_fft", "window")
        wanted = {
            "spectrogram": (*spectrum, "preemphasis", "n_bands", "log"),
            "mspec": (*spectrum, "preemphasis", "n_mels"),
            "mfcc": (*spectrum, "preemphasis", "n_mels", "n_mfcc"),
            "energy": (*frames, "window"),
            "f0": (*frames, "fmin", "fmax"),
            "voicing": (*frames, "fmin", "fmax"),
            "zcr": frames,
            "chroma": spectrum,
            "formants": (*frames, "n_formants"),
            "speech-rate": frames,
            "statistics": ("of",),
        }[self.kind]
        optional = ("fmax",) if self.kind in ("spectrogram", "mspec", "mfcc") else ()
        given = {name for name, value in self if value is not None and name not in ("kind", "deltas")}
        if missing := [name for name in wanted if name not in given]:
            raise ValueError(f"a {self.kind} feature needs {', '.join(missing)}")
        if surplus := sorted(given - {*wanted, *optional}):
            raise ValueError(f"a {self.kind} feature takes no {', '.join(surplus)}")
        if self.n_fft is not None and self.n_fft < self.frame:
            raise ValueError(f"n_fft = {self.n_fft}: must be at least the frame, {self.frame}")
        if self.n_mfcc is not None and self.n_mfcc > self.n_mels:
            raise ValueError(f"n_mfcc = {self.n_mfcc}: must be at most n_mels, {self.n_mels}")
        if self.fmin is not None and self.fmin >= self.fmax:
            raise ValueError(f"fmin = {self.fmin}: must be below fmax, {self.fmax}")
        return self

    def top(self, sample_rate: int) -> float:
        """Returns the highest frequency of a spectrum in Hz: fmax, by default half the sample rate."""
        return self.fmax or sample_rate / 2

    def check_bands(self, name: str, sample_rate: int) -> None:
        """Raises ValueError if a spectrum's bands, or the longest F0 period, do not fit the sample rate.

        Args:
            name: name of the feature, for the message.
            sample_rate: in Hz.
        """
        if self.fmax is not None and self.fmax > sample_rate / 2:
            raise ValueError(
                f"features.{name}.fmax = {self.fmax}: must be at most half the sample rate, {sample_rate / 2}"
            )
        if self.fmin is not None and sample_rate / self.fmin >= self.frame - 1:
            raise ValueError(
                f"features.{name}.fmin = {self.fmin}: must be above {sample_rate / (self.frame - 1):g}: "
                f"a period must fit in the frame, {self.frame}"
            )
        if self.n_bands is not None:
            bins = self.top(sample_rate) * self.n_fft / sample_rate
            if bins % self.n_bands:
                raise ValueError(
                    f"features.{name}.n_bands = {self.n_bands}: must divide the {bins:g} bins up to "
                    f"{self.top(sample_rate):g} Hz"
                )

    @property
    def repeats(self) -> bool:
        """Whether a waveform that is too short is repeated first; not for statistics and speech rate."""
        return self.kind not in ("statistics", "speech-rate")

    @property
    def not_deployable(self) -> str:
        """Why a system with this feature cannot run on the device; empty if it can."""
        if self.kind not in FRONT_END_KINDS:
            return f"{self.kind} cannot be computed inside the ONNX graph"
        return "derivatives are taken over the whole utterance" if self.deltas else ""


class Needs(Section):
    """What a system needs from the stages before training: a recipe, augmented copies, features.

    A waveform shorter than `min_seconds` (one window of the system) is repeated up to that length before its features
    are computed; statistics are computed on the original waveform.
    """

    recipe: Name
    copies: Annotated[int, Field(ge=0, le=20)]
    min_seconds: Annotated[float, Field(ge=0, le=60)]
    features: Annotated[list[Name], Field(min_length=1)]

    def samples(self, sample_rate: int) -> int:
        """Returns the minimum length of a waveform for feature extraction, in samples."""
        return round(self.min_seconds * sample_rate)

    def variant(self, feature: Feature, sample_rate: int) -> str:
        """Returns the subfolder of the feature's folder with the arrays for this recipe and minimum length."""
        samples = self.samples(sample_rate) if feature.repeats else 0
        return f"{self.recipe}-{samples}" if samples else self.recipe


class Tune(Section):
    """The search for hyper-parameters; a trial can be pruned once enough earlier trials have finished."""

    enabled: bool
    trials: Annotated[int, Field(ge=1, le=10000)]
    seed: Seed
    storage: Annotated[str, Field(pattern=r"^(sqlite$|postgresql(\+psycopg)?://)")]
    batch: Annotated[int, Field(ge=1, le=1000)]
    random_trials: Positive
    epochs: Positive
    prune_after: Positive
    prune_after_epochs: Positive
    prune_after_splits: Positive
    prune_p: Share

    @model_validator(mode="after")
    def _no_password(self) -> "Tune":
        if holds_password(self.storage):
            raise ValueError("storage holds a password, which would be published: remove it and set PGPASSWORD")
        return self


class Train(Section):
    """Training.

    Attributes:
        device: where networks are trained; auto uses a GPU if there is one. Not part of the keys of fold runs.
    """

    patience: Positive
    device: Device
    published_units: bool
    keep_models: bool


class Evaluate(Section):
    calibration_bins: Annotated[int, Field(ge=2, le=100)]
    bootstrap_draws: Annotated[int, Field(ge=100, le=1000000)]
    confidence: Annotated[float, Field(ge=0.5, lt=1)]
    permutation_draws: Annotated[int, Field(ge=100, le=1000000)]
    seed: Seed


class Select(Section):
    metric: str  # a key of evaluation.metrics.METRICS, which the driver checks


class FineTuning(Section):
    """Fine-tuning of a network that was modified for the device."""

    epochs: Positive
    learning_rate: Annotated[float, Field(gt=0, le=1)]


class Prune(FineTuning):
    share: Annotated[float, Field(ge=0, le=0.9)]


class QuantisationAware(FineTuning):
    enabled: bool
    when_loss: Annotated[float, Field(ge=-100, le=100)]


class Export(Section):
    opset: Annotated[int, Field(ge=13, le=17)]
    calibration_windows: Positive
    tolerance: Annotated[float, Field(gt=0, le=0.1)]
    ood_share: Annotated[float, Field(gt=0, lt=0.5)]
    ood_margin: Annotated[float, Field(ge=1, le=10)]
    prune: Prune
    qat: QuantisationAware


class Track(Section):
    uri: Annotated[str, Field(pattern=r"^(sqlite|postgresql(\+\w+)?|mysql(\+\w+)?|https?)://")]
    experiment: Annotated[str, Field(min_length=1)]
    live: bool
    sample_seconds: Annotated[float, Field(ge=1, le=3600)]

    @field_validator("uri")
    @classmethod
    def without_password(cls, uri: str) -> str:
        """Refuses passwords, since params.yaml and dvc.lock are committed to git."""
        if holds_password(uri):
            raise ValueError(
                "holds a password, which would be committed to git: remove it and export MLFLOW_TRACKING_USERNAME "
                "and MLFLOW_TRACKING_PASSWORD (an MLflow server), or PGUSER and PGPASSWORD (PostgreSQL)"
            )
        return uri


class Registry(Section):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _-]*$")]
    min_gain_points: Annotated[float, Field(ge=0, le=100)]
    alpha: Annotated[float, Field(ge=0, lt=1)]
    lease_seconds: Annotated[float, Field(ge=5, le=3600)]


class Budget(Section):
    """What one run of the graph does with a corpus.

    Attributes:
        candidates: systems that are trained on the corpus by default; `speech-emotion use` makes them the candidates.
        seeds: the seeds of every system.
        more_seeds: system -> additional seeds for this system, if its training is short enough.
        folds: names of the protocol's folds to run; all if not given. A fold's result does not depend on the others.
    """

    protocol: Name
    candidates: Annotated[list[Name], Field(min_length=1)]
    seeds: Annotated[list[Seed], Field(min_length=1)]
    more_seeds: dict[Name, list[Seed]] = Field(default_factory=dict)
    max_epochs: Positive
    folds: Annotated[list[str], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _each_seed_once(self) -> "Budget":
        for key, seeds in [
            ("seeds", self.seeds),
            *((f"more_seeds.{name}", own) for name, own in self.more_seeds.items()),
        ]:
            listed = seeds if key == "seeds" else [*self.seeds, *seeds]
            if len(set(listed)) < len(listed):
                raise ValueError(f"{key} = {seeds}: must list each seed once, and none of those in seeds")
        return self

    def seeds_of(self, system: str) -> list[int]:
        """Returns the seeds of a system: first `seeds`, shared by all systems, then its own."""
        return [*self.seeds, *self.more_seeds.get(system, ())]


class Params(Section):
    corpus: Name
    candidates: Annotated[list[Name], Field(min_length=1)]
    workers: Annotated[int, Field(ge=1, le=256)]
    ingest: Ingest
    preprocess: Preprocess
    augment: Augment
    features: dict[Name, Feature]
    needs: dict[Name, Needs]
    tune: Tune
    train: Train
    systems: dict[Name, dict[str, Any]]  # each system's own Params class checks its values
    evaluate: Evaluate
    select: Select
    export: Export
    track: Track
    registry: Registry
    budgets: dict[Name, Budget]

    @property
    def budget(self) -> Budget:
        """The budget of the current corpus."""
        return self.budgets[self.corpus]

    @model_validator(mode="after")
    def _names_exist(self) -> "Params":
        _known("corpus", self.corpus, self.budgets, "budgets")
        for system in self.candidates:
            _known("candidates", system, self.systems, "systems")
            _known("candidates", system, self.needs, "needs")
        for corpus, budget in self.budgets.items():
            for system in budget.more_seeds:
                _known(f"budgets.{corpus}.more_seeds", system, self.systems, "systems")
            for system in budget.candidates:
                _known(f"budgets.{corpus}.candidates", system, self.systems, "systems")
                _known(f"budgets.{corpus}.candidates", system, self.needs, "needs")
        if len(set(self.candidates)) < len(self.candidates):
            raise ValueError(f"candidates = {list(self.candidates)}: must list each system once")
        for system, needs in self.needs.items():
            _known(f"needs.{system}.recipe", needs.recipe, self.preprocess.recipes, "preprocess.recipes")
            for feature in needs.features:
                _known(f"needs.{system}.features", feature, self.features, "features")
        for name, feature in self.features.items():
            feature.check_bands(name, self.preprocess.sample_rate)
            for part in feature.of or ():
                _known(f"features.{name}.of", part, self.features, "features")
                if self.features[part].kind == "statistics":
                    raise ValueError(f"features.{name}.of = {part}: must not be a statistics feature itself")
        return self


def _known(key: str, value: str, among: dict[str, Any], section: str) -> None:
    if value not in among:
        raise ValueError(f"{key} = {value}: must be a key of {section}: {', '.join(sorted(among))}")


def load_params(path: Path | str = PARAMS_FILE) -> Params:
    """Reads and checks params.yaml.

    Raises:
        UserError: one line per fault, each with file, key, value and what is allowed.
    """
    path = Path(path)
    try:
        raw = read_yaml(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file: run from the project's top folder") from None
    if not isinstance(raw, dict):
        raise UserError(f"{path}: must contain sections such as ingest and train")
    return check(Params, raw, str(path))


def check_part(raw: dict[str, Any], file: str) -> Params:
    """Checks params that contain only some of the sections; reading any other section is an error.

    Args:
        raw: the given sections.
        file: their source, for messages.

    Raises:
        UserError: one line per fault, as for load_params.
    """
    part = check(narrowed(Params, raw), raw, file)
    return Params.model_construct(**{name: getattr(part, name) for name in raw})
