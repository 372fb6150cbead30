"""build_engine.sh, run with a program in place of trtexec that records its arguments."""

import json
import shutil
import subprocess

import numpy as np
import onnx
import pytest

from made_up_device import write_whole_export
from speech_emotion.export.calibration import calibration_cache
from speech_emotion.export.device import make_device_bundle
from speech_emotion.export.graph import serialise
from speech_emotion.export.quantise import quantise
from speech_emotion.store.hashing import sha256_file

STAND_IN = """#!/bin/sh
# in place of trtexec: writes its arguments, one per line, and a plan
for argument; do
    printf '%s\\n' "$argument" >>"$ARGUMENTS"
    case $argument in --saveEngine=*) plan=${argument#--saveEngine=} ;; esac
done
[ -z "${FAILS:-}" ] || { printf 'half' >"$plan"; exit 1; }
printf 'plan' >"$plan"
"""
NAMES = ["fp16", "fp32", "int8-calibrated", "int8-trt"]


@pytest.fixture(scope="module")
def made(tmp_path_factory, graph, windows):
    """The bundle of a graph with layers of every kind."""
    folder = tmp_path_factory.mktemp("bundle of the small classifier")
    export = write_whole_export(folder / "export")
    for name, model in (("fp32.onnx", graph.model), ("int8.onnx", quantise(graph, windows))):
        (export / name).write_bytes(serialise(model))
    (export / "calibration.cache").write_text(calibration_cache(graph, windows))
    bundle = json.loads((export / "bundle.json").read_text())
    bundle["sha256"] = {"fp32.onnx": sha256_file(export / "fp32.onnx")}
    (export / "bundle.json").write_text(json.dumps(bundle))
    return make_device_bundle(export, folder / "made")


@pytest.fixture
def device(tmp_path, made):
    return shutil.copytree(made, tmp_path / "a bundle")


@pytest.fixture
def build(tmp_path, device):
    """Runs the script; returns its output and the arguments of each call of trtexec, in order."""
    (tmp_path / "trtexec").write_text(STAND_IN)
    (tmp_path / "trtexec").chmod(0o755)

    def run(*variants, shell="sh", **settings):
        said = tmp_path / "arguments"
        said.unlink(missing_ok=True)
        environment = {
            "PATH": "/usr/bin:/bin",
            "TRTEXEC": str(tmp_path / "trtexec"),
            "ARGUMENTS": str(said),
            **settings,
        }
        command = [shell, str(device / "build_engine.sh"), *variants]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        lines = said.read_text().splitlines() if said.exists() else []
        starts = [place for place, line in enumerate(lines) if line.startswith("--onnx=")]
        ends = [*starts[1:], len(lines)] if starts else []
        return done, [lines[start:end] for start, end in zip(starts, ends, strict=True)]

    return run


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_every_form_becomes_an_engine_whose_note_the_runtime_checks(device, build, shell):
    done, calls = build(shell=shell)
    assert done.returncode == 0, done.stderr
    assert len(calls) == len(NAMES)
    for name in NAMES:
        note = json.loads((device / f"engines/{name}.json").read_text())
        flags = (device / f"models/{name}.flags").read_text().splitlines()
        model = device / flags[0].removeprefix("--onnx=")
        assert note == {"onnx_sha256": sha256_file(model), "plan_sha256": sha256_file(device / f"engines/{name}.plan")}
    assert not list((device / "engines").glob("*.new"))


@pytest.mark.parametrize("variant", NAMES)
def test_trtexec_gets_the_flags_of_the_variant_and_of_every_engine(device, build, variant):
    _, (call,) = build(variant)
    flags = (device / f"models/{variant}.flags").read_text().splitlines()
    assert call == [
        *flags,
        "--precisionConstraints=obey",
        "--memPoolSize=workspace:1024",
        "--timingCacheFile=engines/timing.cache",
        "--buildOnly",
        "--profilingVerbosity=detailed",
        f"--exportLayerInfo=engines/{variant}.layers.json",
        f"--saveEngine=engines/{variant}.plan.new",
    ]
    assert not [flag for flag in call if "hapes" in flag]  # trtexec refuses them if the graph's shapes are fixed
    assert (device / call[0].removeprefix("--onnx=")).is_file()
    calibrated = [flag.removeprefix("--calib=") for flag in call if flag.startswith("--calib=")]
    assert bool(calibrated) == (variant == "int8-calibrated")
    assert all((device / file).is_file() for file in calibrated)


def test_pins_name_layers_of_the_file(device, build):
    _, (call,) = build("int8-trt")
    (pins,) = (flag.partition("=")[2] for flag in call if flag.startswith("--layerPrecisions="))
    pinned = dict(pin.rsplit(":", 1) for pin in pins.split(","))
    model = onnx.load(device / call[0].removeprefix("--onnx="))
    operators = {node.name: node.op_type for node in model.graph.node}
    assert set(pinned) <= set(operators)
    assert {operators[name] for name, precision in pinned.items() if precision == "int8"} == {"Conv", "Gemm"}
    assert not {"LSTM", "QuantizeLinear", "DequantizeLinear"} & {operators[name] for name in pinned}


def test_settings_come_from_the_environment(build):
    _, (call,) = build("fp16", CONSTRAINTS="prefer", WORKSPACE="256")
    assert {"--precisionConstraints=prefer", "--memPoolSize=workspace:256"} <= set(call)


def test_a_failed_build_keeps_the_earlier_engine_and_leaves_no_partial_one(device, build):
    build("fp32")
    before = sha256_file(device / "engines/fp32.plan")
    done, _ = build("fp32", FAILS="yes")
    assert done.returncode == 1
    assert sha256_file(device / "engines/fp32.plan") == before
    assert not list((device / "engines").glob("*.new"))


def test_a_variant_that_is_not_for_tensorrt_names_those_that_are(build):
    done, calls = build("int8-cpu")
    assert done.returncode == 1 and not calls
    assert done.stderr.startswith("error: int8-cpu: is not for TensorRT: choose among models/fp16.flags ")


def test_a_damaged_bundle_builds_nothing(device, build):
    with (device / "models/fp32.onnx").open("ab") as file:
        file.write(np.zeros(4, np.uint8).tobytes())
    done, calls = build()
    assert done.returncode != 0 and not calls
    assert "models/fp32.onnx: FAILED" in done.stdout + done.stderr


def test_without_trtexec_the_cure_is_named(build):
    done, _ = build(TRTEXEC="/nowhere/trtexec")
    assert done.returncode == 1
    assert done.stderr.startswith("error: trtexec: is not there: apt-get install libnvinfer-bin")
