"""Commands that choose, obtain and check corpora."""

from pathlib import Path

import pytest
import yaml

from speech_emotion import cli
from speech_emotion.corpora import fetch, versions
from speech_emotion.params import load_params


@pytest.fixture
def obtained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The corpora that were obtained and recorded; nothing is downloaded, synthesised or hashed."""
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


@pytest.mark.parametrize("name", ["2024", "no", "1e5"])
def test_use_quotes_a_corpus_if_yaml_would_not_read_a_string(project, name):
    path = project / "params.yaml"
    path.write_text(
        path.read_text() + f'  "{name}": {{protocol: own-speakers, candidates: [t2], seeds: [0], max_epochs: 3}}\n'
    )
    assert cli.main(["use", name]) == 0
    assert load_params(path).corpus == name and load_params(path).candidates == ["t2"]


def test_use_refuses_a_corpus_without_budget(project, capsys):
    before = (project / "params.yaml").read_bytes()
    assert cli.main(["use", "emo-db"]) == 1
    assert capsys.readouterr().err.startswith(
        "error: params.yaml: corpus = emo-db: must be a key of budgets: casia, demo, emodb"
    )
    assert (project / "params.yaml").read_bytes() == before


def test_outside_the_project_every_command_names_the_cure(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for command in (["use", "emodb"], ["corpus"], ["check"]):
        assert cli.main(command) == 1
        assert capsys.readouterr().err == "error: params.yaml: no such file: run from the project's top folder\n"


def test_data_obtains_then_records(project, obtained):
    assert cli.main(["data", "emodb", "--from", "there.zip"]) == 0
    assert obtained == ["obtain emodb from there.zip", "record emodb"]


def test_data_synthesises_the_recorded_demo_first_if_it_is_absent(project, obtained):
    record_in_file(demo=1)
    assert cli.main(["data", "emodb"]) == 0
    assert obtained == ["obtain demo", "obtain emodb", "record emodb"]


def test_data_refuses_before_any_download_while_a_recorded_corpus_is_absent(project, obtained, capsys):
    put(project / "data", "demo")
    record_in_file(demo=1, ravdess=1)
    assert cli.main(["data", "emodb"]) == 1
    assert "data/ravdess: is absent" in capsys.readouterr().err
    assert obtained == []


def test_data_if_absent_leaves_a_corpus_that_is_present_as_recorded(project, obtained):
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
    assert len(contents[0]) == 1


def test_check_removes_outputs_of_former_candidates_and_nothing_else(project):
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
    (project / "params.yaml").write_text(text.replace("max_rejected: 0.05", "max_rejected: 1.5"))
    assert cli.main(["check"]) == 1
    assert capsys.readouterr().err == "error: params.yaml: ingest.max_rejected = 1.5: must be at most 1.0\n"


def test_check_lists_the_metrics_if_that_of_select_is_unknown(project, capsys):
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("metric: ua ", "metric: f1 "))
    assert cli.main(["check"]) == 1
    told = (
        "error: params.yaml: select.metric = f1: must be one of ua, wa, macro_precision, macro_recall, macro_f1, ece\n"
    )
    assert capsys.readouterr().err == told


def test_check_refuses_a_missing_device(project, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("device: cpu ", "device: cuda"))
    assert cli.main(["check"]) == 1
    assert capsys.readouterr().err.startswith("error: train.device = cuda: torch ")


def test_check_refuses_while_the_current_corpus_is_absent(project, capsys):
    assert cli.main(["check"]) == 1
    assert capsys.readouterr().err == "error: data/demo: is absent: run make data CORPUS=demo\n"
    assert not Path("artifacts/check").exists()


def test_verify_refuses_a_corpus_without_published_checksums(project, capsys):
    put(project / "data", "own")
    assert cli.main(["verify", "own"]) == 1
    assert capsys.readouterr().err.startswith("error: corpus = own: ")
