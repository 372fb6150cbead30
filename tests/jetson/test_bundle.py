"""Complete bundles are opened; others are refused with the file and the cure."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from made_up_device import rewrite, seal
from made_up_export import HOP, LABELS, RATE, STEP, WINDOW
from speech_emotion_jetson.backends import load_backend
from speech_emotion_jetson.bundle import opened
from speech_emotion_jetson.errors import UserError
from speech_emotion_jetson.recogniser import Recogniser


def refusal(path, **more):
    with pytest.raises(UserError) as error, opened(path, **more):
        pass
    return str(error.value)


def test_a_bundle_describes_its_model(made):
    with opened(made) as bundle:
        assert bundle.labels == LABELS
        assert (bundle.sample_rate, bundle.window_samples, bundle.hop_samples) == (RATE, WINDOW, HOP)
        assert (bundle.frame_hop_samples, bundle.level, bundle.temperature) == (STEP, "none", 1.0)
        assert list(bundle.variants) == ["fp32", "fp16", "int8-trt", "int8-calibrated", "int8-cpu"]
        assert bundle.variant(None).name == "fp32"
        assert all(path.is_file() for path in (bundle.out_of_distribution, *bundle.samples))


@pytest.mark.parametrize(
    "name", ["bundle.json", "models/fp32.onnx", "out_of_distribution.json", "MODEL_CARD.md", "run"]
)
def test_a_changed_file_is_named(device, name):
    content = bytearray((device / name).read_bytes())
    content[len(content) // 2] ^= 1
    (device / name).write_bytes(content)
    text = refusal(device)
    assert str(device / name) in text
    assert "damaged or changed" in text and text.endswith("copy the whole bundle again")


@pytest.mark.parametrize("name", ["models/fp32.onnx", "checksums.sha256"])
def test_an_absent_file_is_named(device, name):
    (device / name).unlink()
    assert f"{device / name}: is not there" in refusal(device)


@pytest.mark.parametrize(
    "line", ["hello", f"{'0' * 64}  ../../etc/passwd", f"{'0' * 64}  /etc/passwd", f"{'0' * 64}  a/../../b", "\x00"]
)
def test_malformed_checksums_are_refused(device, line):
    path = device / "checksums.sha256"
    path.write_text(path.read_text() + line + "\n")
    assert re.search(r"checksums\.sha256: line \d+: is not the checksum of a file of the bundle", refusal(device))


def test_a_link_that_leads_out_of_the_bundle_is_refused(device, tmp_path):
    outside = (device / "MODEL_CARD.md").rename(tmp_path / "outside.md")
    (device / "MODEL_CARD.md").symlink_to(outside)
    assert "leads out of the bundle" in refusal(device)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "other"}, "is not a device bundle's"),
        ({"format": 1}, "format = 1: this runtime reads format 2: use the runtime in the bundle"),
        ({"labels": ["anger"]}, "labels = .*two or more"),
        ({"labels": ["anger", 3]}, "labels = .*must be a list of strings"),
        ({"sample_rate": 0}, "sample_rate = 0: must be within 8000 and 96000"),
        ({"sample_rate": True}, "sample_rate = true: must be int"),
        ({"window_samples": "many"}, 'window_samples = "many": must be int'),
        ({"hop_samples": 1601}, "hop_samples = 1601: must be a multiple of frame_hop_samples = 160"),
        ({"hop_samples": 0}, "hop_samples = 0: must be within 160"),
        ({"temperature": 0}, "temperature = 0: must be within"),
        ({"temperature": "hot"}, "temperature = .*must be within"),
        ({"level": {"kind": "loud"}}, "level = .*must be one of none, peak, rms"),
        ({"default": "int4"}, 'default = "int4": must be one of the variants fp32, fp16, int8-trt'),
        ({"variants": {}}, "must be one of the variants"),
        ({"variants": {"fp32": {"file": "../model.onnx"}}}, "is not among the checksums"),
        ({"out_of_distribution": "other.json"}, "'other.json' is not among the checksums"),
        ({"samples": "all"}, "samples = .*must be list"),
    ],
)
def test_an_invalid_value_is_named_with_its_rule(device, changed, message):
    text = refusal(rewrite(device, **changed))
    assert text.startswith(f"{device}/bundle.json: ")
    assert re.search(message, text), text


@pytest.mark.parametrize("content", ["{", "[]", "\xff"])
def test_a_description_that_is_not_a_json_object_is_refused(device, content):
    (device / "bundle.json").write_bytes(content.encode("latin-1"))
    assert f"{device}/bundle.json: " in refusal(seal(device))


def graph(window, classes, kind=TensorProto.FLOAT):
    nodes = [
        helper.make_node("ReduceMean", ["waveform"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Concat", ["mean"] * classes, ["probabilities"], axis=1),
    ]
    ends = [
        helper.make_tensor_value_info(name, kind, [1, size])
        for name, size in (("waveform", window), ("probabilities", classes))
    ]
    opset = [helper.make_opsetid("", 13)]
    return helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:]), opset_imports=opset, ir_version=8)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            graph(WINDOW + 1, 3),
            r"waveform = tensor\(float\) \[1, 3201\]: must be tensor\(float\) \[1, 3200\]",
        ),
        (graph(WINDOW, 4), r"probabilities = tensor\(float\) \[1, 4\]: must be tensor\(float\) \[1, 3\]"),
        (graph(WINDOW, 3, TensorProto.DOUBLE), r"waveform = tensor\(double\)"),
    ],
)
def test_a_model_of_another_shape_is_refused(device, model, message):
    onnx.save(model, device / "models/fp32.onnx")
    with opened(seal(device)) as bundle, pytest.raises(UserError, match=message) as error:
        load_backend(bundle, bundle.variant(None), "cpu")
    assert str(error.value).startswith(str(device / "models/fp32.onnx"))


def test_a_file_that_is_not_a_model_is_refused(device):
    (device / "models/fp32.onnx").write_bytes(b"no model")
    with opened(seal(device)) as bundle, pytest.raises(UserError, match=r"models/fp32\.onnx: cannot be loaded"):
        load_backend(bundle, bundle.variant(None), "cpu")


def test_a_model_whose_outputs_are_not_probabilities_is_refused(device):
    onnx.save(graph(WINDOW, 3), device / "models/fp32.onnx")
    with opened(seal(device)) as bundle, pytest.raises(UserError, match="outputs are not probabilities"):
        Recogniser.load(bundle, backend="cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "--threads = 0: must be 1 or more"),
        ({"backend": "cuda"}, "CUDAExecutionProvider: is not part of this onnxruntime"),
        ({"variant": "int4"}, "--variant = int4: is not in this bundle: choose among fp32, fp16, int8-trt"),
        ({"variant": "fp16"}, r"--variant = fp16: works only as a TensorRT engine: run \./build_engine\.sh fp16"),
        ({"backend": "engine"}, r"engines/fp32\.plan: is not there: run sh build_engine\.sh"),
    ],
)
def test_a_backend_that_this_machine_lacks_is_named_with_the_cure(made, options, message):
    with opened(made) as bundle, pytest.raises(UserError, match=message):
        Recogniser.load(bundle, **options)


def test_variants_and_threads_give_the_same_answers(made, waveform):
    with opened(made) as bundle:
        one, other = (
            Recogniser.load(bundle, variant=name, threads=count).predict(waveform, RATE)
            for name, count in (("fp32", 1), ("int8-trt", 2))
        )
    np.testing.assert_allclose(list(one.probabilities.values()), list(other.probabilities.values()), atol=1e-6)
