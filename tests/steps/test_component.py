"""The body of a component: the driver, with settings from the environment."""

import json
from pathlib import Path

import pytest
import yaml

from speech_emotion.steps import component, driver
from speech_emotion.steps.component import run_component
from speech_emotion.steps.step import Step

TOP = Path(__file__).parents[2]
RAW = yaml.safe_load((TOP / "params.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def step(tmp_path, monkeypatch):
    """Replaces the real steps by one that records its params and folders."""
    monkeypatch.chdir(tmp_path)
    for name in (
        component.CACHE_VARIABLE,
        component.TRACK_VARIABLE,
        component.URI_VARIABLE,
        component.DEVICE_VARIABLE,
    ):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "in").mkdir()

    def put(tell, **more) -> None:
        def run(inputs, params, outputs, recorder):
            (outputs["result"] / "told.json").write_text(json.dumps(tell(inputs, params, recorder)))

        made = Step("own", run, {"source": "in"}, {"result": "out"}, **{"sections": ("train",), **more})
        monkeypatch.setattr(component, "load_step", lambda name: made)

    return put


def call(sections: dict, **more) -> object:
    run_component("own", json.dumps(sections), {"source": "in"}, {"result": "out"}, **more)
    return json.loads(Path("out/told.json").read_text())


def test_a_step_sees_only_its_sections(step):
    step(lambda inputs, params, recorder: [params.train.patience, hasattr(params._params, "export")])
    assert call({"inputs": "hash", "train": RAW["train"]}) == [RAW["train"]["patience"], False]


def test_workers_are_the_cpus_of_the_container(step, monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    step(lambda inputs, params, recorder: params.workers)
    assert call({"train": RAW["train"]}) == 1


def test_the_environment_sets_the_store(step, monkeypatch):
    monkeypatch.setenv(component.URI_VARIABLE, "http://server:5000")
    step(lambda inputs, params, recorder: params.track.uri, sections=("track",))
    assert call({"track": RAW["track"]}) == "http://server:5000"


def test_the_environment_sets_the_device(step, monkeypatch, capsys):
    monkeypatch.setenv(component.DEVICE_VARIABLE, "auto")
    step(lambda inputs, params, recorder: params.train.device)
    assert call({"train": RAW["train"]}) == "auto"
    monkeypatch.delenv(component.DEVICE_VARIABLE)
    assert call({"train": RAW["train"]}) == RAW["train"]["device"]
    monkeypatch.setenv(component.DEVICE_VARIABLE, "gpu")
    with pytest.raises(SystemExit):
        call({"train": RAW["train"]})
    assert "train.device = 'gpu': must be one of 'cpu', 'cuda' or 'auto'" in capsys.readouterr().err


def test_a_system_that_is_not_a_network_gets_no_gpu(step, monkeypatch):
    monkeypatch.setenv(component.DEVICE_VARIABLE, "cuda")
    step(lambda inputs, params, recorder: params.train.device, per_system=True, sections=("train", "systems.{system}"))
    for system, device in (("t2", "cpu"), ("k2", "cuda")):
        assert call({"train": RAW["train"], "systems": {system: RAW["systems"][system]}}, system=system) == device


def test_by_default_the_store_is_that_of_params(step):
    step(lambda inputs, params, recorder: params.track.uri, sections=("track",))
    assert call({"track": RAW["track"]}) == RAW["track"]["uri"]


def test_caches_are_in_the_folder_of_the_environment_and_papers_in_the_working_folder(step, monkeypatch, tmp_path):
    monkeypatch.setenv(component.CACHE_VARIABLE, str(tmp_path / "kept"))
    caches = {"units": "artifacts/units", "papers": "papers"}
    step(lambda inputs, params, recorder: [str(inputs["units"]), str(inputs["papers"])], caches=caches)
    assert call({"train": RAW["train"]}) == [str(tmp_path / "kept/units"), "papers"]
    assert (tmp_path / "kept/provenance/own.json").is_file()


@pytest.mark.parametrize("cache", ["file/kept", "kept"])
def test_a_read_only_cache_is_refused_before_the_step_starts(step, monkeypatch, tmp_path, capsys, cache):
    (tmp_path / "file").touch()
    monkeypatch.setenv(component.CACHE_VARIABLE, str(tmp_path / cache))
    monkeypatch.setattr(component.os, "access", lambda path, mode: False)  # root may write anywhere
    step(lambda inputs, params, recorder: 0)
    with pytest.raises(SystemExit):
        call({"train": RAW["train"]})
    assert capsys.readouterr().err.startswith(f"error: {component.CACHE_VARIABLE} = {tmp_path / cache}: ")
    assert not Path("out").exists()


def test_by_default_caches_are_removed_after_the_step(step):
    step(lambda inputs, params, recorder: str(inputs["units"]), caches={"units": "artifacts/units"})
    assert not Path(call({"train": RAW["train"]})).exists()
    assert not Path("artifacts").exists()


def test_a_training_is_recorded_if_the_environment_requests_it(step, monkeypatch):
    monkeypatch.setenv(component.TRACK_VARIABLE, json.dumps({**RAW["track"], "live": False}))
    step(lambda inputs, params, recorder: type(recorder).__name__)
    assert call({"train": RAW["train"]}) == "JournalRecorder"


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ('{"train": {"patience": 0}}', "error: params: train.patience = 0: must be at least 1"),
        ("{", "error: params: not JSON"),
        ('{"trian": {}}', "error: params: trian = {}: is not a known key"),
    ],
)
def test_a_user_error_ends_the_process_with_only_its_message(step, capsys, params, told):
    step(lambda inputs, params, recorder: None)
    with pytest.raises(SystemExit) as ended:
        run_component("own", params, {"source": "in"}, {"result": "out"})
    errors = capsys.readouterr().err
    assert ended.value.code == 1
    assert errors.startswith(told) and "Traceback" not in errors
    assert not Path("out").exists()


def test_a_missing_input_is_an_error(step, capsys):
    step(lambda inputs, params, recorder: None)
    with pytest.raises(SystemExit):
        run_component("own", json.dumps({"train": RAW["train"]}), {"source": "nowhere"}, {"result": "out"})
    assert "input source = nowhere: does not exist" in capsys.readouterr().err


def test_every_step_can_be_loaded_by_name():
    assert component.load_step is driver.load_step
