"""Fixtures of the tests of the device's runtime."""

import argparse
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from made_up_device import rewrite, write_device
from speech_emotion_jetson.bundle import opened
from speech_emotion_jetson.cli import _parser
from speech_emotion_jetson.recogniser import Recogniser
from speech_emotion_jetson.serving import page


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A device bundle; copy it before changing it."""
    return write_device(tmp_path_factory.mktemp("made"))


@pytest.fixture
def device(made: Path, tmp_path: Path) -> Path:
    """A copy of the device bundle that the test may change."""
    return Path(shutil.copytree(made, tmp_path / "device"))


@pytest.fixture
def recogniser(made: Path) -> Iterator[Recogniser]:
    with opened(made) as bundle:
        yield Recogniser.load(bundle, backend="cpu")


@pytest.fixture
def load(device: Path) -> Iterator[Callable[..., Recogniser]]:
    """Loads a copy of the bundle with other values in bundle.json."""

    def loaded(**changed: object) -> Recogniser:
        with opened(rewrite(device, **changed)) as bundle:
            return Recogniser.load(bundle, backend="cpu")

    yield loaded


@pytest.fixture
def waveform() -> np.ndarray:
    """Just over a second of noise, (n,) float32."""
    return (0.2 * np.random.default_rng(1).standard_normal(17003)).astype(np.float32)


@pytest.fixture
def serve(recogniser: Recogniser) -> Callable[..., object]:
    """Serves the page in a thread: `with serve("--queue", "0") as (port, told)`; told holds the lines printed."""

    @contextmanager
    def served(*arguments: str, model: Recogniser = recogniser) -> Iterator[tuple[int, list[str]]]:
        options: argparse.Namespace = _parser().parse_args(["bundle", "serve", "--port", "0", *arguments])
        told: list[str] = []
        with page(model, options, told.append) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield server.server_port, told
            finally:
                server.shutdown()
                thread.join()

    return served
