"""The command line: what it prints, what it changes, and one line for every mistake."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import yaml

from made_up_device import write_whole_export
from made_up_export import LABELS, RATE, WINDOW, write_export
from speech_emotion import cli
from speech_emotion.commands import corpus, store
from speech_emotion.corpora import fetch, versions
from speech_emotion.errors import UserError
from speech_emotion.store.arrays import ArrayStore, ArrayWriter

TOP = Path(__file__).parents[1]
METRICS = {
    "w1": {"ua": 51.2, "wa": 55.0, "macro_f1": 50.0, "ece": 0.071, "per_class": {"anger": {"recall": 90.0}}},
    "t2": {"ua": 73.1, "wa": 74.0, "macro_f1": 72.0, "ece": 0.05},
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml, which is the working folder."""
    shutil.copy(TOP / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def obtained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Corpora that were obtained and recorded; nothing is downloaded, made or hashed."""
    calls: list[str] = []

    def obtain(corpus, data, source=None, recorder=None, **_options):
        calls.append(f"obtain {corpus}" if source is None else f"obtain {corpus} from {source}")
        put(data, corpus)

    monkeypatch.setattr(fetch, "obtain", obtain)
    monkeypatch.setattr(versions, "record", lambda data, corpus: calls.append(f"record {corpus}"))
    return calls


def put(data: Path, corpus: str) -> None:
    (data / corpus).mkdir(parents=True, exist_ok=True)
    (data / corpus / "0.wav").write_text("speech")


def record_in_file(**corpora: int) -> None:
    Path("data.dvc").write_text(yaml.safe_dump({"meta": {"corpora": corpora}, "outs": [{"path": "data"}]}))


def write_metrics(value: object) -> None:
    folder = Path("artifacts/evaluate")
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(value if isinstance(value, str) else json.dumps(value))


def test_use_changes_one_word_of_params_and_keeps_the_comments(project):
    before = (project / "params.yaml").read_text()
    assert cli.main(["use", "emodb"]) == 0
    after = (project / "params.yaml").read_text()
    assert yaml.safe_load(after)["corpus"] == "emodb"
    changed = [(old, new) for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]
    assert len(changed) == 1
    old, new = changed[0]
    assert new.index("#") == old.index("#")
    assert new.partition("#")[2] == old.partition("#")[2]


def test_use_there_and_back_changes_no_byte(project):
    before = (project / "params.yaml").read_bytes()
    cli.main(["use", "ravdess"])
    cli.main(["use", "demo"])
    assert (project / "params.yaml").read_bytes() == before


def test_use_refuses_a_corpus_without_budget(project, capsys):
    before = (project / "params.yaml").read_bytes()
    assert cli.main(["use", "emo-db"]) == 1
    assert capsys.readouterr().err.startswith(
        "error: params.yaml: corpus = emo-db: must be a key of budgets: casia, demo, emodb"
    )
    assert (project / "params.yaml").read_bytes() == before


def test_outside_the_project_every_command_says_where_to_go(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for command in (["use", "emodb"], ["corpus"], ["check"]):
        assert cli.main(command) == 1
        assert capsys.readouterr().err == "error: params.yaml: no such file: run from the project's top folder\n"


def test_table_ranks_systems_by_ua_and_says_that_demo_is_synthetic(project, capsys):
    write_metrics(METRICS)
    assert cli.main(["table"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "synthetic" in lines[0]
    assert lines[2].split() == ["system", "UA", "%", "WA", "%", "F1", "%", "ECE"]
    assert lines[3].split() == ["t2", "73.1", "74.0", "72.0", "0.050"]
    assert lines[4].split() == ["w1", "51.2", "55.0", "50.0", "0.071"]
    assert any("make ui" in line for line in lines)


def test_table_of_a_real_corpus_is_not_called_synthetic(project, capsys):
    write_metrics(METRICS)
    cli.main(["use", "emodb"])
    assert cli.main(["table"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "corpus emodb, protocol emodb-loso"


@pytest.mark.parametrize(("text", "fault"), [("{", "not JSON"), ("{}", "holds no system")])
def test_table_of_a_damaged_file_is_refused(project, capsys, text, fault):
    write_metrics(text)
    assert cli.main(["table"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: artifacts/evaluate/metrics.json: ")
    assert fault in error


def test_table_before_the_first_run_is_refused(project, capsys):
    assert cli.main(["table"]) == 1
    assert capsys.readouterr().err == "error: artifacts/evaluate/metrics.json: is not there: run make run first\n"


def test_data_obtains_then_records(project, obtained):
    assert cli.main(["data", "emodb", "--from", "there.zip"]) == 0
    assert obtained == ["obtain emodb from there.zip", "record emodb"]


def test_data_makes_the_recorded_demo_first_where_it_is_absent(project, obtained):
    record_in_file(demo=1)
    assert cli.main(["data", "emodb"]) == 0
    assert obtained == ["obtain demo", "obtain emodb", "record emodb"]


def test_data_refuses_before_any_download_while_a_recorded_corpus_is_absent(project, obtained, capsys):
    put(project / "data", "demo")
    record_in_file(demo=1, ravdess=1)
    assert cli.main(["data", "emodb"]) == 1
    assert "data/ravdess: is not there" in capsys.readouterr().err
    assert obtained == []


def test_data_if_absent_leaves_a_corpus_that_lies_there_as_recorded(project, obtained):
    put(project / "data", "demo")
    record_in_file(demo=1)
    assert cli.main(["data", "demo", "--if-absent"]) == 0
    assert obtained == []


def test_data_if_absent_obtains_a_corpus_that_has_lost_files(project, obtained):
    put(project / "data", "demo")
    record_in_file(demo=2)
    assert cli.main(["data", "demo", "--if-absent"]) == 0
    assert obtained == ["obtain demo", "record demo"]


def test_check_writes_the_same_bytes_each_time(project):
    put(project / "data", "demo")
    record_in_file(demo=1)
    contents = []
    for _ in range(2):
        assert cli.main(["check"]) == 0
        contents.append({path.name: path.read_bytes() for path in Path("artifacts/check").iterdir()})
    assert contents[0] == contents[1]
    assert set(contents[0]) == set(versions.CHECKS)


def test_check_removes_what_is_no_candidate_any_more_and_nothing_else(project):
    put(project / "data", "demo")
    record_in_file(demo=1)
    for folder in ("train/t2", "train/gone", "tune/gone", "units/gone", "evaluate/gone"):
        (project / "artifacts" / folder).mkdir(parents=True)
    assert cli.main(["check"]) == 0
    left = {path.relative_to("artifacts").as_posix() for path in Path("artifacts").glob("*/*") if path.is_dir()}
    assert left == {"train/t2", "units/gone", "evaluate/gone"}


def test_check_names_file_key_and_value_of_a_bad_param(project, capsys):
    put(project / "data", "demo")
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("max_set_aside: 0.05", "max_set_aside: 1.5"))
    assert cli.main(["check"]) == 1
    assert capsys.readouterr().err == "error: params.yaml: ingest.max_set_aside = 1.5: must be at most 1.0\n"


def test_check_refuses_a_device_that_is_not_there(project, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("device: cpu ", "device: cuda"))
    assert cli.main(["check"]) == 1
    assert capsys.readouterr().err.startswith("error: train.device = cuda: torch ")


def test_check_refuses_while_the_corpus_at_work_is_absent(project, capsys):
    assert cli.main(["check"]) == 1
    assert capsys.readouterr().err == "error: data/demo: is not there: run make data CORPUS=demo\n"
    assert not Path("artifacts/check").exists()


def test_verify_refuses_a_corpus_without_published_sums(project, capsys):
    put(project / "data", "own")
    assert cli.main(["verify", "own"]) == 1
    assert capsys.readouterr().err.startswith("error: corpus = own: ")


def test_ui_before_the_first_run_is_refused(project):
    with pytest.raises(UserError, match=r"mlflow\.db: is not there: run make run first"):
        store.ui(5000)


@pytest.mark.parametrize("arguments", [["registry"], ["promote", "1", "--reason", "quieter"], ["rollback"]])
def test_the_registry_before_the_first_run_is_refused_and_no_store_is_made(project, capsys, arguments):
    assert cli.main(arguments) == 1
    assert capsys.readouterr().err.endswith("mlflow.db: is not there: run make run first\n")
    assert not (project / "mlflow.db").exists()


def unit_of(key: str, system: str, **found):
    from speech_emotion.params import load_params
    from speech_emotion.training.units import Unit

    used = {**load_params().systems[system], **found}
    return Unit(
        key, "emodb", "emodb-loso", system, "03", 0, ("anger", "fear"), used, 1, 0, 1.0, [], {"emodb/a": [0.25, 0.75]}
    )


@pytest.mark.parametrize(("found", "folder_end"), [({}, ""), ({"dropout": 0.125}, "-tuned")])
def test_publish_copies_finished_units_below_their_paper(project, capsys, found, folder_end):
    from speech_emotion.training.units import Unit, UnitStore

    corpus.use("emodb")
    model = project / "model"
    model.mkdir()
    unit = unit_of("k1", "w1", **found)
    UnitStore(Path("artifacts/units")).save(unit, model)
    folder = Path("artifacts/train/w1")
    folder.mkdir(parents=True)
    (folder / "units.json").write_text(json.dumps({"paper": "wang-cl-jetson", "units": {"03-0": {"key": "k1"}}}))
    assert cli.main(["publish"]) == 0
    assert "1 finished units of 1 systems" in capsys.readouterr().out
    path = Path(f"papers/wang-cl-jetson/units/emodb-emodb-loso{folder_end}/w1-03-0.json")
    assert Unit.from_file(path) == unit


def test_publish_refuses_the_synthetic_corpus(project, capsys):
    assert cli.main(["publish"]) == 1
    assert "corpus = demo: is synthetic and stands in no results" in capsys.readouterr().err


def test_publish_without_a_run_names_the_cure(project, capsys):
    corpus.use("emodb")
    assert cli.main(["publish"]) == 1
    assert "holds no trained system: run make run first" in capsys.readouterr().err


@pytest.fixture
def recordings(project) -> Path:
    """An exported model at its place and a folder with two recordings, one broken file and what is no audio."""
    (project / "artifacts").mkdir()
    write_export(project / "artifacts" / "export")
    folder = project / "recordings"
    (folder / "below").mkdir(parents=True)
    noise = np.random.default_rng(0).standard_normal(RATE) / 10
    soundfile.write(folder / "b.wav", noise, RATE)
    soundfile.write(folder / "below" / "c.flac", noise[:WINDOW], RATE)
    (folder / "a.wav").write_text("no sound at all")
    (folder / "notes.txt").write_text("not asked about")
    return folder


def test_predict_answers_every_audio_file_of_a_folder_in_order(recordings, capsys):
    (recordings / "a.wav").unlink()
    assert cli.main(["predict", "recordings"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["file", "seconds", "emotion", *LABELS, "unlike", "training"]
    assert [row.split()[:2] for row in rows] == [["recordings/b.wav", "1.00"], ["recordings/below/c.flac", "0.20"]]
    for row in rows:
        _, _, emotion, *probabilities, unlike = row.split()
        assert unlike == "no"
        assert LABELS[np.argmax([float(p) for p in probabilities])] == emotion


def test_predict_goes_on_after_a_file_that_cannot_be_read_and_fails_at_the_end(recordings, capsys):
    assert cli.main(["predict", "recordings", "gone.wav"]) == 1
    out, err = capsys.readouterr()
    rows = out.splitlines()[1:]
    assert len(rows) == 4
    assert rows[0].startswith("recordings/a.wav")
    assert "error: not-audio: named .wav, but begins like no audio" in rows[0]
    assert "error: missing: no such file" in rows[3]
    assert err.splitlines()[-1] == "error: 2 of 4 files: got no answer: their rows say why"


def test_predict_writes_csv_with_all_probabilities_and_errors(recordings):
    assert cli.main(["predict", "recordings", "--format", "csv", "--output", "said.csv"]) == 1
    with open("said.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [
        "file",
        "seconds",
        "emotion",
        *(f"p_{label}" for label in LABELS),
        "unlike_training",
        "distance",
        "error",
    ]
    assert list(rows[0]) == columns
    assert rows[0]["error"].startswith("not-audio: ")
    assert sum(float(rows[1][f"p_{label}"]) for label in LABELS) == pytest.approx(1, abs=1e-5)
    assert rows[1]["unlike_training"] == "no"


def test_predict_writes_a_json_line_a_window_with_its_times(recordings, capsys):
    assert cli.main(["predict", "recordings/b.wav", "--format", "jsonl", "--windows"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["start"], row["end"]) for row in rows[:2]] == [(0.0, 0.2), (0.1, 0.3)]
    assert rows[-1]["end"] == 1.0
    assert set(rows[0]["probabilities"]) == set(LABELS)
    assert rows[0]["unlike_training"] is False


def test_predict_leaves_the_output_file_as_it_was_when_it_cannot_begin(recordings, capsys):
    Path("said.csv").write_text("before")
    assert cli.main(["predict", "recordings", "--model", "nowhere", "--output", "said.csv"]) == 1
    assert "nowhere/bundle.json: is not there" in capsys.readouterr().err
    assert Path("said.csv").read_text() == "before"


def test_predict_leaves_the_output_file_as_it_was_when_it_is_interrupted(recordings, monkeypatch):
    from speech_emotion.inference import Recogniser

    def interrupted(*_):
        raise KeyboardInterrupt

    Path("said.csv").write_text("before")
    monkeypatch.setattr(Recogniser, "predict_file", interrupted)
    assert cli.main(["predict", "recordings", "--output", "said.csv"]) == 130
    assert Path("said.csv").read_text() == "before"
    assert not list(Path().glob(".said*"))


def test_predict_refuses_an_output_that_is_a_folder(recordings, capsys):
    assert cli.main(["predict", "recordings/b.wav", "--output", "recordings"]) == 1
    assert "error: output = recordings: " in capsys.readouterr().err


def test_predict_refuses_a_folder_without_audio(recordings, capsys):
    Path("empty").mkdir()
    assert cli.main(["predict", "empty"]) == 1
    assert capsys.readouterr().err.startswith("error: empty: holds no audio file: ")


def test_predict_without_an_export_and_without_a_store_names_the_cure(project, capsys):
    soundfile.write("a.wav", np.zeros(RATE), RATE)
    assert cli.main(["predict", "a.wav"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: model = models:/speech-emotion@champion: mlflow.db: is not there: run make run")


def test_predict_takes_a_registered_model_of_the_store(recordings, project, capsys):
    import mlflow

    from speech_emotion.tracking.connection import open_store

    shutil.move("artifacts/export", "exported")
    with open_store("sqlite:///mlflow.db", "e") as store, mlflow.start_run(experiment_id=store.experiment) as run:
        mlflow.log_artifacts("exported", "model/artifacts")
    for model, status in ((f"runs:/{run.info.run_id}/model", 0), ("models:/nobody@champion", 1)):
        assert cli.main(["predict", "recordings/b.wav", "--model", model]) == status
    out, err = capsys.readouterr()
    assert out.splitlines()[1].startswith("recordings/b.wav")
    assert "error: model = models:/nobody@champion: " in err


def test_parts_are_joined_in_the_order_given(tmp_path):
    for name, ids in (("one", ["a", "b"]), ("two", ["c"])):
        with ArrayWriter(tmp_path / name / "plain") as writer:
            for id in ids:
                writer.add(id, np.zeros(3))
    assert cli.main(["join", *(str(tmp_path / name) for name in ("joined", "one", "two"))]) == 0
    assert ArrayStore(tmp_path / "joined/plain").ids == ["a", "b", "c"]


def test_parts_that_overlap_end_in_a_line(tmp_path, capsys):
    with ArrayWriter(tmp_path / "one/plain") as writer:
        writer.add("a", np.zeros(3))
    assert cli.main(["join", *(str(tmp_path / name) for name in ("joined", "one", "one"))]) == 1
    assert capsys.readouterr().err.startswith("error: a: is in parts ")


def test_check_graph_tells_of_every_node(tmp_path, capsys):
    exported = write_whole_export(tmp_path / "export")
    assert cli.main(["check-graph", str(exported / "fp32.onnx")]) == 0
    text = capsys.readouterr().out
    assert text.startswith("## fp32.onnx: engine fp32\n") and "| MatMul | 1 | FP32 | FP32 | no |" in text
    assert cli.main(["check-graph", str(exported / "fp32.onnx"), "--precision", "fp16"]) == 0
    assert "| MatMul | 1 | FP16 | FP16 |" in capsys.readouterr().out


def test_check_graph_fails_where_tensorrt_refuses_and_shows_what(tmp_path, capsys):
    exported = write_whole_export(tmp_path / "export")
    model = onnx.load(exported / "fp32.onnx")
    model.graph.node[1].op_type = "Hardmax"
    onnx.save(model, tmp_path / "refused.onnx")
    assert cli.main(["check-graph", str(tmp_path / "refused.onnx")]) == 1
    told = capsys.readouterr()
    assert "Hardmax" in told.out and "has no such operator" in told.out
    assert told.err.startswith(f"error: {tmp_path}/refused.onnx: TensorRT 8.5 refuses it (1 of its parts, above)")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read (No such file"), (b"\xff no", "is no ONNX file"), (b"", "holds no graph")],
)
def test_check_graph_of_what_is_no_graph_ends_in_a_line(tmp_path, capsys, content, message):
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    assert cli.main(["check-graph", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/file: {message}")


def test_device_bundle_is_made_of_an_export_and_says_what_comes_next(tmp_path, capsys):
    exported, made = write_whole_export(tmp_path / "export"), tmp_path / "device.tar.gz"
    assert cli.main(["device-bundle", str(made), "--from", str(exported)]) == 0
    assert made.is_file()
    assert capsys.readouterr().out == f"{made}: python -m speech_emotion_jetson {made} show\n"


def test_device_bundle_without_an_export_names_the_cure(project, capsys):
    assert cli.main(["device-bundle", "device"]) == 1
    assert capsys.readouterr().err.startswith("error: artifacts/export/bundle.json: is not there: run the export step")
    assert not Path("device").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["out", "--register"], "--register: needs a registered model: add --model models:/"),
        (["out", "--model", "models:/a@b", "--from", "x"], "--model = models:/a@b: comes from the registry: leave out"),
        (["--model", "models:/a@b"], "output: is missing: name a folder or a .tar.gz, or add --register"),
        (["out", "--model", "models:/a@b"], "mlflow.db: is not there: run make run first"),
    ],
)
def test_device_bundle_refuses_options_that_contradict_each_other(project, capsys, options, message):
    assert cli.main(["device-bundle", *options]) == 1
    assert capsys.readouterr().err.startswith(f"error: {message}")
    assert not Path("out").exists()
