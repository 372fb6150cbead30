"""The checks before TensorRT: a plan exists, it is this model's, TensorRT is installed. The rest needs the device."""

import json
import os
import subprocess
from dataclasses import replace

import pytest

from speech_emotion.store.hashing import sha256_file
from speech_emotion_jetson import engine
from speech_emotion_jetson.backends import load_backend
from speech_emotion_jetson.bundle import opened
from speech_emotion_jetson.errors import UserError

TRTEXEC = """#!/bin/sh
for argument; do case $argument in --saveEngine=*) echo plan > "${argument#--saveEngine=}" ;; esac; done
"""


@pytest.fixture
def built(device, tmp_path):
    """A bundle whose engines were built by its own script, with a program in place of trtexec."""
    (tmp_path / "trtexec").write_text(TRTEXEC)
    (tmp_path / "trtexec").chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "TRTEXEC": str(tmp_path / "trtexec")}
    subprocess.run(["sh", device / "build_engine.sh"], env=environment, check=True, capture_output=True)
    return device


def test_every_engine_that_the_script_built_fits_its_variant(built):
    with opened(built) as bundle:  # engines do not count as changes of the bundle
        for variant in (one for one in bundle.variants.values() if one.engine is not None):
            assert engine.check_plan(variant) == built / f"engines/{variant.name}.plan"
            note = json.loads((built / f"engines/{variant.name}.json").read_text())
            assert note["onnx_sha256"] == sha256_file(variant.path)


def test_a_plan_of_another_model_is_refused(built):
    (built / "engines/fp32.json").write_text(json.dumps({"onnx_sha256": "0", "plan_sha256": "0"}))
    with opened(built) as bundle, pytest.raises(UserError, match=r"fp32\.plan: was built from another fp32\.onnx"):
        engine.check_plan(bundle.variant("fp32"))


def test_a_damaged_plan_is_refused(built):
    (built / "engines/fp32.plan").write_text("cut")
    with opened(built) as bundle, pytest.raises(UserError, match="or is damaged: run sh build_engine"):
        engine.check_plan(bundle.variant("fp32"))


@pytest.mark.parametrize("note", ["", "[]", "{}"])
def test_a_plan_without_a_note_is_refused(built, note):
    (built / "engines/fp32.json").write_text(note)
    with opened(built) as bundle, pytest.raises(UserError, match="does not say what the plan was built from"):
        engine.check_plan(bundle.variant("fp32"))


def test_a_variant_that_is_not_for_tensorrt_says_so(made):
    with opened(made) as bundle, pytest.raises(UserError, match="is not for TensorRT"):
        engine.check_plan(replace(bundle.variant("fp32"), engine=None))


def test_without_tensorrt_the_cure_is_named_and_auto_takes_the_cpu(built, monkeypatch):
    monkeypatch.setattr(engine, "_tensorrt", lambda: None)
    with opened(built) as bundle:
        with pytest.raises(UserError, match="tensorrt: cannot be loaded: install JetPack's python3-libnvinfer"):
            load_backend(bundle, bundle.variant(None), "engine")
        assert "CPUExecutionProvider" in load_backend(bundle, bundle.variant(None), "auto").name


def test_without_cudas_runtime_the_cure_is_named(monkeypatch):
    monkeypatch.setattr(engine, "RUNTIME_LIBRARIES", ("libno-such-library.so",))
    with pytest.raises(UserError, match=r"libcudart\.so: is not there: install CUDA's runtime"):
        engine.Cuda()
