"""A device bundle of the made-up export, whose answers can be computed by hand."""

import json
import shutil
from pathlib import Path

from made_up_export import write_export, write_many_windows
from speech_emotion.export.device import make_device_bundle
from speech_emotion.store.hashing import sha256_file


def write_whole_export(folder: Path, **changed: object) -> Path:
    """Writes the made-up export with all files that a device bundle needs; keywords are as for write_export."""
    about = {
        "system": "t0",
        "title": "T0 made up",
        "paper": "none",
        "parameters": 9600,
        "corpora": ["demo"],
        "licences": ["Apache-2.0 (synthetic)"],
        "synthetic": True,
    }
    write_export(folder, **{**about, **changed})
    shutil.copyfile(folder / "fp32.onnx", folder / "int8.onnx")
    (folder / "calibration.cache").write_text("TRT-8502-EntropyCalibration2\nwaveform: 3c010204\n")
    write_many_windows(folder / "int8-cpu.onnx")
    (folder / "MODEL_CARD.md").write_text("# T0\n")
    return folder


def write_device(folder: Path, **changed: object) -> Path:
    """Writes export and bundle below `folder`; returns the bundle's folder."""
    return make_device_bundle(write_whole_export(folder / "export", **changed), folder / "device")


def rewrite(device: Path, **changed: object) -> Path:
    """Changes values of bundle.json and its checksum."""
    path = device / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    return seal(device)


def seal(device: Path) -> Path:
    """Writes the checksums of the files as they are now."""
    names = [line.split("  ", 1)[1] for line in (device / "checksums.sha256").read_text().splitlines()]
    lines = [f"{sha256_file(device / name)}  {name}\n" for name in names]
    (device / "checksums.sha256").write_text("".join(lines))
    return device
