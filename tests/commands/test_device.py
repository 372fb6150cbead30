"""Commands for the device: graphs and bundles."""

from pathlib import Path

import onnx
import pytest

from made_up_device import write_whole_export
from speech_emotion import cli


def test_check_graph_lists_every_node(tmp_path, capsys):
    exported = write_whole_export(tmp_path / "export")
    assert cli.main(["check-graph", str(exported / "fp32.onnx")]) == 0
    text = capsys.readouterr().out
    assert text.startswith("## fp32.onnx: engine fp32\n") and "| MatMul | 1 | FP32 | FP32 | no |" in text
    assert cli.main(["check-graph", str(exported / "fp32.onnx"), "--precision", "fp16"]) == 0
    assert "| MatMul | 1 | FP16 | FP16 |" in capsys.readouterr().out


def test_check_graph_fails_and_shows_what_tensorrt_refuses(tmp_path, capsys):
    exported = write_whole_export(tmp_path / "export")
    model = onnx.load(exported / "fp32.onnx")
    model.graph.node[1].op_type = "Hardmax"
    onnx.save(model, tmp_path / "refused.onnx")
    assert cli.main(["check-graph", str(tmp_path / "refused.onnx")]) == 1
    told = capsys.readouterr()
    assert "Hardmax" in told.out and "has no such operator" in told.out
    assert told.err.startswith(
        f"error: {tmp_path}/refused.onnx: TensorRT 8.5 refuses it (1 of its parts, listed above)"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read (No such file"), (b"\xff no", "is not an ONNX file"), (b"", "holds no graph")],
)
def test_check_graph_of_a_file_that_is_not_a_graph_is_one_line(tmp_path, capsys, content, message):
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    assert cli.main(["check-graph", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/file: {message}")


def test_device_bundle_is_made_from_an_export_and_names_the_next_command(tmp_path, capsys):
    exported, made = write_whole_export(tmp_path / "export"), tmp_path / "device.tar.gz"
    assert cli.main(["device-bundle", str(made), "--from", str(exported)]) == 0
    assert made.is_file()
    assert capsys.readouterr().out == f"{made}: python -m speech_emotion_jetson {made} show\n"


def test_device_bundle_without_an_export_names_the_cure(project, capsys):
    assert cli.main(["device-bundle", "device"]) == 1
    assert capsys.readouterr().err.startswith("error: artifacts/export/bundle.json: is not there: run the export step")
    assert not Path("device").exists()


@pytest.mark.parametrize("options", [[], ["--model", "models:/a@b"]])
def test_device_bundle_refuses_a_folder_with_other_files_before_it_fetches_a_model(project, capsys, options):
    Path("bundles").mkdir()
    Path("bundles/mine").touch()
    assert cli.main(["device-bundle", "bundles", *options]) == 1
    told = "error: output = bundles: is a folder with other files: name a new one, or bundles/NAME.tar.gz\n"
    assert capsys.readouterr().err == told
    assert Path("bundles/mine").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["out", "--register"], "--register: needs a registered model: add --model models:/"),
        (["out", "--model", "models:/a@b", "--from", "x"], "--model = models:/a@b: comes from the registry: leave out"),
        (["--model", "models:/a@b"], "output: is missing: give a folder or a .tar.gz file, or add --register"),
        (["out", "--model", "models:/a@b"], "mlflow.db: does not exist: run make run first"),
    ],
)
def test_device_bundle_refuses_options_that_contradict_each_other(project, capsys, options, message):
    assert cli.main(["device-bundle", *options]) == 1
    assert capsys.readouterr().err.startswith(f"error: {message}")
    assert not Path("out").exists()
