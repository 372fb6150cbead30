"""The artifacts with a step's results on Kubeflow's pages."""

import base64
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from kfp import dsl

from speech_emotion.steps import reports
from speech_emotion.steps.reports import page, write_reports


@pytest.fixture
def artifact(tmp_path):
    """Makes an output artifact of a kind, as Kubeflow passes it to a component."""

    def make(kind: type, name: str) -> dsl.Artifact:
        made = kind(name=name, uri=str(tmp_path / "reports" / name))
        (tmp_path / "reports").mkdir(exist_ok=True)
        return made

    return make


@pytest.fixture
def evaluation(tmp_path) -> Path:
    folder = tmp_path / "evaluation"
    (folder / "confusion").mkdir(parents=True)
    (folder / "figures").mkdir()
    (folder / "figures/recall.png").write_bytes(b"picture")
    (folder / "headline.json").write_text(json.dumps({"a": {"ua": 60.0}, "b": {"ua": 70.5}}))
    (folder / "summary.json").write_text(json.dumps({"labels": ["anger", "fear", "sadness"]}))
    (folder / "confusion/a.csv").write_text("actual,predicted\nfear,fear\n")
    (folder / "confusion/b.csv").write_text("actual,predicted\nanger,fear\nanger,anger\nfear,fear\nanger,anger\n")
    text = "# Systems\n\n| system | UA |\n| --- | --: |\n| B | 70.5 |\n\n![recall](figures/recall.png)\n"
    (folder / "report.md").write_text(text)
    return folder


@pytest.fixture
def evaluated(evaluation, artifact) -> dict[str, dsl.Artifact]:
    kinds = {"metrics": dsl.Metrics, "confusion": dsl.ClassificationMetrics, "table": dsl.Markdown, "report": dsl.HTML}
    reports = {name: artifact(kind, name) for name, kind in kinds.items()}
    write_reports("evaluate", {"evaluation": evaluation}, reports)
    return reports


@pytest.fixture
def choice(tmp_path, artifact):
    """The Markdown of step select's choice."""

    def show(**chosen) -> str:
        folder = tmp_path / "selected"
        folder.mkdir()
        (folder / "best.json").write_text(json.dumps({"metric": "ua", "ranking": {"t2": 80.8, "t1": 70.2}, **chosen}))
        report = artifact(dsl.Markdown, "choice")
        write_reports("select", {"selected": folder}, {"choice": report})
        return Path(report.path).read_text()

    return show


def test_the_choice_lists_the_deployed_system_and_reasons_against_others(choice):
    refit = {"epochs": 41, "device": "cuda", "agreeing": 9, "folds": 10}
    text = choice(best_deployable="t1", not_deployable={"t2": "an SVM"}, refit=refit, temperature=1.3)
    assert "| t2 | 80.8 | no: an SVM |" in text and "| t1 | 70.2 | yes |" in text
    assert "Shipped: t1, fitted on all speakers (41 epochs, cuda; hyper-parameters of 9 of 10 folds)" in text


def test_the_choice_by_an_error_metric_starts_with_the_lowest(choice):
    text = choice(metric="ece", ranking={"t2": 0.2, "t1": 0.1}, best_deployable=None, not_deployable={})
    assert [line.split(" | ")[:2] for line in text.splitlines() if line.startswith("| t")] == [
        ["| t1", "0.100"], ["| t2", "0.200"],
    ]  # fmt: skip


def test_the_choice_without_a_deployable_system(choice):
    text = choice(best_deployable=None, not_deployable={"t1": "derivatives", "t2": "an SVM"})
    assert "No system can go to the device" in text


@pytest.fixture
def decision(tmp_path, artifact):
    """The Markdown artifact of step register's decision."""

    def show(**record) -> dsl.Markdown:
        folder = tmp_path / "registered"
        folder.mkdir()
        (folder / "registered.json").write_text(json.dumps({"model": "speech-emotion", **record}))
        report = artifact(dsl.Markdown, "decision")
        write_reports("register", {"registered": folder}, {"decision": report})
        return report

    return show


def test_the_decision_shows_version_alias_reason_and_metrics(decision):
    reason = "UA 61.90 against 61.50 of version 1: +0.40 points; paired test p = 0.3"
    report = decision(version=2, alias="challenger", reason=reason, facts={"system": "k2", "ua": "61.9"})
    text = Path(report.path).read_text()
    assert text.startswith(f"# models:/speech-emotion/2: registered as challenger\n\n{reason}\n")
    assert "| system | k2 |" in text and "| ua | 61.9 |" in text
    assert report.metadata == {"model": "models:/speech-emotion/2", "alias": "challenger"}


def test_the_decision_if_nothing_is_registered(decision):
    report = decision(version=None, reason="no candidate can run on the device")
    assert Path(report.path).read_text().startswith("# Nothing to register\n\nno candidate can run")
    assert report.metadata == {}


def test_metrics_are_logged_by_system_on_the_page_and_in_the_file(evaluated):
    assert evaluated["metrics"].metadata == {"a_ua": 60.0, "b_ua": 70.5}
    assert json.loads(Path(evaluated["metrics"].path).read_text()) == {"a_ua": 60.0, "b_ua": 70.5}


def test_the_confusion_matrix_of_the_best_system_has_every_label(evaluated):
    matrix = evaluated["confusion"].metadata["confusionMatrix"]
    assert [label["displayName"] for label in matrix["annotationSpecs"]] == ["anger", "fear", "sadness"]
    assert [row["row"] for row in matrix["rows"]] == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_the_page_is_self_contained(evaluated):
    text = Path(evaluated["report"].path).read_text()
    assert f'src="data:image/png;base64,{base64.b64encode(b"picture").decode()}"' in text
    assert "figures/" not in text and "<td>B</td>" in text


def test_the_table_has_no_pictures(evaluated):
    assert Path(evaluated["table"].path).read_text() == "# Systems\n\n| system | UA |\n| --- | --: |\n| B | 70.5 |\n\n"


def test_markup_in_a_report_is_escaped(tmp_path):
    assert "<script>" not in page("a <b>c</b>\n\n<script>alert(1)</script>\n", tmp_path, "title")


def test_the_page_of_a_search_that_was_off(tmp_path, artifact):
    (tmp_path / "best.json").write_text("{}")
    report = artifact(dsl.HTML, "report")
    write_reports("tune", {"best": tmp_path}, {"report": report})
    assert "No search was requested" in Path(report.path).read_text()


def test_rejected_files_are_listed_with_their_reason(tmp_path, artifact):
    (tmp_path / "report.md").write_text("# mine\n")
    (tmp_path / "rejected.csv").write_text("path,reason,detail\n1.wav,silent,its peak is | -80 dBFS\n")
    report = artifact(dsl.Markdown, "report")
    write_reports("ingest", {"utterances": tmp_path}, {"report": report})
    assert "| 1.wav | silent | its peak is \\| -80 dBFS |" in Path(report.path).read_text()


def test_an_emotion_called_none_keeps_its_row_of_the_confusion(tmp_path):
    (tmp_path / "t2.csv").write_text("actual,predicted\nNone,None\nanger,None\nNone,None\n")
    told = []
    artifact = SimpleNamespace(path=tmp_path / "out.csv", log_confusion_matrix=lambda *given: told.append(given))
    reports._confusion(tmp_path / "t2.csv", ["None", "anger"], artifact)
    assert told == [(["None", "anger"], [[2, 0], [1, 0]])]
