import json
from pathlib import Path

import pytest
import yaml

from speech_emotion.errors import UserError
from speech_emotion.params import load_params
from speech_emotion.recorder import Recorder
from speech_emotion.steps import __main__ as command
from speech_emotion.steps.driver import NAMES, execute, load_step, parse_sections
from speech_emotion.steps.step import WHOLE, Part, Step, StepParams

TOP = Path(__file__).parents[2]
PARAMS = load_params(TOP / "params.yaml")
QUIET = Recorder(quiet=True)


def _step(run, **more):
    defaults = {"inputs": {"source": "in"}, "outputs": {"result": "out/{corpus}"}, "sections": ("train",)}
    return Step(name="copy", run=run, **{**defaults, **more})


def _copy(inputs, params, outputs, recorder):
    (outputs["result"] / "text").write_text((inputs["source"] / "text").read_text() + str(params.train.patience))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "text").write_text("speech ")
    return tmp_path


def test_a_step_reads_its_inputs_and_its_output_is_moved_into_place(folder):
    execute(_step(_copy), PARAMS, recorder=QUIET)
    assert (folder / "out/demo/text").read_text() == f"speech {PARAMS.train.patience}"


def test_time_and_host_are_written_beside_the_output(folder):
    execute(_step(_copy), PARAMS, recorder=QUIET)
    record = json.loads((folder / "artifacts/provenance/copy.json").read_text())
    assert record["step"] == "copy" and {"finished", "host", "revision"} <= set(record)
    assert record["data"] == {}
    assert [path.name for path in (folder / "out/demo").iterdir()] == ["text"]


def test_ports_can_be_given_other_folders(folder):
    execute(
        _step(_copy), PARAMS, inputs={"source": folder / "in"}, outputs={"result": folder / "there"}, recorder=QUIET
    )
    assert (folder / "there/text").is_file()


def test_an_unknown_port_names_the_known_ones(folder):
    with pytest.raises(UserError, match="port sauce: must be one of result, source"):
        execute(_step(_copy), PARAMS, inputs={"sauce": folder}, recorder=QUIET)


def test_a_section_that_was_not_declared_cannot_be_read():
    view = StepParams(PARAMS, ("train",))
    assert view.train.patience and view.workers
    with pytest.raises(AttributeError, match="section ingest is not among"):
        _ = view.ingest


def test_a_step_that_fails_leaves_no_output(folder):
    def fail(inputs, params, outputs, recorder):
        (outputs["result"] / "half").touch()
        raise UserError("no")

    with pytest.raises(UserError):
        execute(_step(fail), PARAMS, recorder=QUIET)
    assert not (folder / "out/demo").exists()
    assert not list((folder / "out").iterdir())


def test_a_step_per_system_needs_a_known_system(folder):
    with pytest.raises(UserError, match="system = absent: must be one of"):
        execute(_step(_copy, per_system=True), PARAMS, system="absent", recorder=QUIET)
    with pytest.raises(UserError, match="takes no system"):
        execute(_step(_copy), PARAMS, system="w1", recorder=QUIET)


def test_every_systems_hyperparameters_are_checked_before_anything_runs(folder):
    systems = {**PARAMS.systems, "w1": {**PARAMS.systems["w1"], "batch_size": 0}}
    bad = PARAMS.model_copy(update={"systems": systems})
    with pytest.raises(UserError, match=r"systems\.w1\.batch_size = 0"):
        execute(_step(_copy), bad, recorder=QUIET)


def test_sections_are_read_from_json():
    raw = yaml.safe_load((TOP / "params.yaml").read_text())
    sections = parse_sections(json.dumps({"corpus": "demo", "train": raw["train"]}))
    assert sections.train == PARAMS.train and not hasattr(sections, "registry")


@pytest.mark.parametrize("text", ["{", "[1]", '"train"'])
def test_sections_that_are_not_a_json_object_are_refused(text):
    with pytest.raises(UserError, match=r"params: (not JSON|must be a JSON object)"):
        parse_sections(text)


@pytest.mark.parametrize("name", NAMES)
def test_every_step_has_the_name_of_its_module(name):
    assert load_step(name).name == name


def test_a_user_error_is_printed_without_traceback(folder, capsys):
    raw = yaml.safe_load((TOP / "params.yaml").read_text())
    raw["train"]["patience"] = 0
    raw["workers"] = 0
    (folder / "params.yaml").write_text(yaml.safe_dump(raw))
    assert command.main(["ingest"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "error: params.yaml: workers = 0: must be at least 1",
        "error: params.yaml: train.patience = 0: must be at least 1",
    ]


def _note_part(inputs, params, outputs, recorder):
    (outputs["result"] / "part").write_text(f"{params.part.number}/{params.part.count}")


def test_a_sharded_step_gets_its_part(folder):
    step = _step(_note_part, sharded=True)
    execute(step, PARAMS, recorder=QUIET, part=(2, 3))
    assert (folder / "out/demo/part").read_text() == "2/3"
    assert (folder / "artifacts/provenance/copy-2-of-3.json").is_file()
    execute(step, PARAMS, recorder=QUIET)
    assert (folder / "out/demo/part").read_text() == "1/1"


@pytest.mark.parametrize("part", [(0, 3), (4, 3), (1, 0), (-1, -1)])
def test_a_part_that_does_not_exist_is_refused(folder, part):
    with pytest.raises(UserError, match=f"part = {part[0]}/{part[1]}: must be K/N with K from 1 to N"):
        execute(_step(_note_part, sharded=True), PARAMS, recorder=QUIET, part=part)
    assert not (folder / "out").exists()


def test_a_step_that_is_not_sharded_refuses_parts(folder):
    with pytest.raises(UserError, match="part = 1/2: this step always processes all"):
        execute(_step(_copy), PARAMS, recorder=QUIET, part=(1, 2))
    execute(_step(_copy), PARAMS, recorder=QUIET, part=WHOLE)


@pytest.mark.parametrize("text", ["2", "a/b", "1/-2", "/3", "1/2/3", "1.0/2"])
def test_an_invalid_part_gives_one_line(folder, capsys, text):
    assert command.main(["preprocess", f"--part={text}"]) == 1
    assert capsys.readouterr().err == f"error: part = {text}: must be K/N with K from 1 to N, e.g. 2/4\n"


@pytest.mark.parametrize("utterances", [0, 1, 5, 12, 100])
def test_parts_cover_every_utterance_once_in_order(utterances):
    for count in (1, 3, 7, 12):
        parts = [Part(number, count).range(utterances) for number in range(1, count + 1)]
        assert [place for part in parts for place in part] == list(range(utterances))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
