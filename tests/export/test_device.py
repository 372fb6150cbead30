"""Making device bundles."""

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from made_up_device import write_whole_export
from speech_emotion.errors import UserError
from speech_emotion.export.device import KIND, Variant, exported_variants, make_device_bundle


@pytest.fixture
def export(tmp_path):
    return write_whole_export(tmp_path / "export")


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_bundle_holds_what_a_device_needs_with_checksums_that_sha256sum_accepts(export, tmp_path):
    made = make_device_bundle(export, tmp_path / "device", source="models:/speech-emotion/3")
    found = files(made)
    assert {"bundle.json", "checksums.sha256", "MODEL_CARD.md", "out_of_distribution.json", "requirements.txt"} <= set(
        found
    )
    assert {"models/fp32.onnx", "models/int8-trt.onnx", "build_engine.sh", "run", "samples/anger.wav"} <= set(found)
    assert "runtime/speech_emotion_jetson/page/index.html" in found
    assert not [name for name in found if "__pycache__" in name]
    listed = [line.split("  ")[1] for line in (made / "checksums.sha256").read_text().splitlines()]
    assert listed == sorted(set(found) - {"checksums.sha256"})
    subprocess.run(["sha256sum", "--check", "--quiet", "checksums.sha256"], cwd=made, check=True)
    assert json.loads((made / "bundle.json").read_text())["source"] == "models:/speech-emotion/3"
    assert {"operators.json", "OPERATORS.md", "models/calibration.cache"} <= set(found)
    assert (made / "models/fp32.flags").read_text() == "--onnx=models/fp32.onnx\n--noTF32\n"
    assert (made / "models/int8-calibrated.flags").read_text().endswith("--calib=models/calibration.cache\n")


def test_engines_of_one_file_share_it(export, tmp_path):
    made = make_device_bundle(export, tmp_path / "device")
    files = sorted(path.name for path in (made / "models").glob("*.onnx"))
    assert files == ["fp32.onnx", "int8-cpu.onnx", "int8-trt.onnx"]
    variants = json.loads((made / "bundle.json").read_text())["variants"]
    assert {name: one["file"] for name, one in variants.items()} == {
        "fp32": "models/fp32.onnx",
        "fp16": "models/fp32.onnx",
        "int8-trt": "models/int8-trt.onnx",
        "int8-calibrated": "models/fp32.onnx",
        "int8-cpu": "models/int8-cpu.onnx",
    }
    for name, one in variants.items():
        if not one["tensorrt"]:
            continue
        assert one["engine_only"] == (name in ("fp16", "int8-calibrated"))
        assert (made / f"models/{name}.flags").read_text().splitlines()[0] == f"--onnx={one['file']}"


def test_the_dockerfile_runs_the_bundle_as_a_normal_user_on_l4t(export, tmp_path):
    made = make_device_bundle(export, tmp_path / "device")
    lines = [line.split(maxsplit=1) for line in (made / "Dockerfile").read_text().splitlines() if line.strip()]
    orders = [(order, rest) for order, rest in lines if order.isupper()]
    assert orders[0] == ("ARG", "BASE=nvcr.io/nvidia/l4t-jetpack:r35.2.1")
    users = [rest for order, rest in orders if order == "USER"]
    assert users == ["listener"] and "useradd" in (made / "Dockerfile").read_text()
    after = [order for order, _ in orders[orders.index(("USER", "listener")) :]]
    assert after == ["USER", "EXPOSE", "ENTRYPOINT", "CMD"]
    (entry,) = (json.loads(rest) for order, rest in orders if order == "ENTRYPOINT")
    assert (made / entry[0]).stat().st_mode & 0o111
    copied = [rest.split()[0] for order, rest in orders if order == "COPY"]
    assert all((made / name).exists() for name in copied)


def test_archives_of_one_export_are_the_same_bytes(export, tmp_path):
    one = make_device_bundle(export, tmp_path / "1/device.tar.gz")
    other = make_device_bundle(export, tmp_path / "2/device.tar.gz")
    assert one.read_bytes() == other.read_bytes()
    with tarfile.open(one) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert all((member.mtime, member.uid, member.gid, member.uname) == (0, 0, 0, "") for member in members)
    assert {member.name: oct(member.mode) for member in members}["device/run"] == "0o755"


def test_additional_variants_have_their_flags(export, tmp_path):
    shutil.copyfile(export / "int8.onnx", export / "cpu.onnx")
    extra = Variant("int4-cpu", export / "cpu.onnx", "for the CPU", None)
    made = make_device_bundle(export, tmp_path / "d", [*exported_variants(export), extra], default="int4-cpu")
    described = json.loads((made / "bundle.json").read_text())
    assert described["variants"]["int4-cpu"] == {
        "file": "models/int4-cpu.onnx",
        "description": "for the CPU",
        "tensorrt": False,
        "engine_only": False,
    }
    assert described["default"] == "int4-cpu"
    assert not (made / "models/int4-cpu.flags").exists()


def write_bundle_before(folder: Path) -> None:
    folder.mkdir()
    (folder / "bundle.json").write_text(json.dumps({"kind": KIND}))
    (folder / "old").touch()


def test_a_bundle_replaces_an_earlier_one(export, tmp_path):
    write_bundle_before(tmp_path / "device")
    make_device_bundle(export, tmp_path / "device")
    assert "old" not in files(tmp_path / "device")


def test_a_bundle_replaces_an_empty_folder_even_behind_a_link(export, tmp_path):
    (tmp_path / "device").mkdir()
    (tmp_path / "link").symlink_to("device")
    assert make_device_bundle(export, tmp_path / "link") == tmp_path / "link"
    assert (tmp_path / "link").is_symlink() and "bundle.json" in files(tmp_path / "device")


@pytest.mark.parametrize("description", [None, "{", "[]", '{"kind": "another"}'])
def test_a_folder_with_other_files_is_refused_and_unchanged(export, tmp_path, description):
    output = tmp_path / "bundles"
    output.mkdir()
    (output / "mine").write_text("mine")
    if description is not None:
        (output / "bundle.json").write_text(description)
    before = files(tmp_path)
    with pytest.raises(UserError) as caught:
        make_device_bundle(export, output)
    cure = f"name a new one, or {output}/NAME.tar.gz"
    assert str(caught.value) == f"output = {output}: is a folder with other files: {cure}"
    assert files(tmp_path) == before


@pytest.mark.parametrize("output", [".", "..", "../here", "../../up/here/../."])
def test_the_working_folder_and_its_parents_are_refused(export, tmp_path, monkeypatch, output):
    write_bundle_before(tmp_path / "up")
    write_bundle_before(tmp_path / "up/here")
    before = files(tmp_path)
    monkeypatch.chdir(tmp_path / "up/here")
    with pytest.raises(UserError, match=r"holds the working folder: name a new one, or .*NAME\.tar\.gz"):
        make_device_bundle(export, Path(output))
    assert files(tmp_path) == before


def test_a_file_as_folder_and_a_folder_as_archive_are_refused(export, tmp_path):
    (tmp_path / "device").write_text("mine")
    (tmp_path / "device.tar.gz").mkdir()
    with pytest.raises(UserError, match=r"device: is a file: name a folder, or .*/device\.tar\.gz"):
        make_device_bundle(export, tmp_path / "device")
    with pytest.raises(UserError, match=r"device\.tar\.gz: is a folder: name a new file"):
        make_device_bundle(export, tmp_path / "device.tar.gz")
    assert (tmp_path / "device").read_text() == "mine"


def remove(name):
    return lambda export: (export / name).unlink()


def damage(export: Path) -> None:
    (export / "fp32.onnx").write_bytes(b"other")


def forget(export: Path) -> None:
    description = json.loads((export / "bundle.json").read_text())
    del description["temperature"]
    (export / "bundle.json").write_text(json.dumps(description))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (remove("bundle.json"), r"bundle\.json: is not there: run the export step"),
        (remove("MODEL_CARD.md"), r"MODEL_CARD\.md: is not there: run the export step again"),
        (remove("int8.onnx"), r"int8\.onnx: is not there"),
        (remove("calibration.cache"), r"calibration\.cache: is not there: run the export step again"),
        (damage, r"fp32\.onnx: is not the file that bundle\.json describes"),
        (forget, r"bundle\.json: temperature: is missing"),
        (lambda export: (export / "bundle.json").write_text("{"), r"bundle\.json: is damaged"),
    ],
)
@pytest.mark.parametrize("output", ["device", "device.tar.gz"])
def test_an_incomplete_export_is_refused_and_an_earlier_bundle_is_unchanged(export, tmp_path, spoil, message, output):
    spoil(export)
    before = tmp_path / output
    if output == "device":
        write_bundle_before(before)
    else:
        before.write_text("old")
    with pytest.raises(UserError, match=message):
        make_device_bundle(export, before)
    assert sorted(path.name for path in tmp_path.iterdir()) == [output, "export"]
    assert (before / "old").exists() if output == "device" else before.read_text() == "old"


def test_a_default_that_is_not_a_variant_is_refused(export, tmp_path):
    with pytest.raises(UserError, match="default = int4: is none of the variants"):
        make_device_bundle(export, tmp_path / "device", default="int4")
