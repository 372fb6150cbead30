import json

import pytest

from speech_emotion.errors import UserError
from speech_emotion.evaluation.metrics import METRICS, Metric
from speech_emotion.tracking.contents import read_entries
from speech_emotion.tracking.views import SYSTEMS as SYSTEMS_VIEW
from speech_emotion.tracking.views import charts, columns

SYSTEMS = ("k2", "t2")


def test_entries_are_systems_with_units_the_comparison_and_the_model(exported):
    entries = read_entries(exported, SYSTEMS)
    assert [entry.kind for entry in entries] == ["system", "system", "comparison", "model"]
    assert [len(entry.children) for entry in entries] == [2, 2, 0, 0]
    keys = [entry.key for entry in entries] + [child.key for entry in entries for child in entry.children]
    assert len(set(keys)) == len(keys)


def test_no_model_entry_without_a_bundle(folders):
    assert [entry.kind for entry in read_entries(folders, SYSTEMS)] == ["system", "system", "comparison"]


def test_curves_are_by_epoch_without_missing_values(folders):
    path = folders.trained / "k2" / "curves.csv"
    lines = path.read_text().splitlines()
    cells = lines[1].split(",")
    lines[1] = ",".join([*cells[:-1], ""])  # the first epoch without a validation UA
    path.write_text("\n".join(lines) + "\n")
    k2, t2, *_ = read_entries(folders, SYSTEMS)
    unit = next(child for child in k2.children if child.params["fold"] == cells[1])
    assert [epoch for epoch, _ in unit.curves["loss"]] == list(range(1, len(unit.curves["loss"]) + 1))
    assert unit.curves["valid_ua"][0][0] == 2
    assert all(not child.curves for child in t2.children)


def test_tags_describe_how_the_figures_were_measured(folders):
    k2, t2, *_ = read_entries(folders, SYSTEMS)
    assert k2.tags["corpus"] == "emodb"
    assert k2.tags["speaker_independent"] == "true"
    assert k2.tags["synthetic"] == "false"
    assert k2.tags["data"] == "ab" * 32
    assert k2.tags["revision"] == "0123abc"
    assert "revision" not in t2.tags  # its training has no provenance


def test_params_and_metrics_are_flat(folders):
    k2 = read_entries(folders, SYSTEMS)[0]
    assert k2.params["hyperparameters.learning_rate"] == 0.001
    assert k2.params["hyperparameters.layers"] == "32 64"
    assert k2.params["needs.features"] == "mspec-40"
    assert k2.metrics["recall/anger"] == 60.0
    assert k2.metrics["ua"] == 61.5


def test_a_metric_of_the_table_is_in_every_run_and_view(exported, monkeypatch):
    added = Metric("brier", "Brier", "Brier score", lambda answers: 0.25, percent=False, headline=True)
    monkeypatch.setitem(METRICS, "brier", added)
    path = exported.evaluation / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["k2"]["brier"] = 0.25
    path.write_text(json.dumps(metrics))
    k2, _, comparison, model = read_entries(exported, SYSTEMS)
    assert k2.metrics["brier"] == model.metrics["brier"] == comparison.metrics["brier/k2"] == 0.25
    assert "| Brier | 0.250 | share |" in k2.note and "`brier` and `valid_ua`" in k2.note
    assert "| ECE | Brier |" in comparison.note
    assert "metrics.`brier`" in columns()[SYSTEMS_VIEW][2]
    assert "brier" in charts()[SYSTEMS_VIEW]["Which is better"][1]


def test_new_metrics_change_the_state_and_not_the_key(folders):
    before = read_entries(folders, SYSTEMS)[0]
    path = folders.evaluation / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["k2"]["ua"] = 62.0
    path.write_text(json.dumps(metrics))
    after = read_entries(folders, SYSTEMS)[0]
    assert after.key == before.key
    assert after.state != before.state


def test_new_predictions_change_the_key(folders):
    before = read_entries(folders, SYSTEMS)
    (folders.trained / "k2" / "predictions.parquet").write_bytes(b"other")
    after = read_entries(folders, SYSTEMS)
    assert after[0].key != before[0].key
    assert after[1].key == before[1].key


def test_figures_of_a_system_with_a_similar_id_are_not_included(folders):
    (folders.evaluation / "figures" / "confusion-x-k2.png").write_bytes(b"of x-k2")
    k2 = read_entries(folders, SYSTEMS)[0]
    assert [path.name for path, folder in k2.files.items() if folder == "figures"] == ["confusion-k2.png"]


@pytest.mark.parametrize("name", ["trained/k2/units.json", "trained/t2/predictions.parquet", "evaluation/summary.json"])
def test_missing_file_is_named(folders, name):
    path = folders.trained.parent / name
    path.unlink()
    with pytest.raises(UserError, match=f"{path.name}: no such file: run the steps before"):
        read_entries(folders, SYSTEMS)


def test_system_without_figures_is_named(folders):
    with pytest.raises(UserError, match="has no w1: run the evaluate step again"):
        read_entries(folders, ("k2", "w1"))


def test_damaged_file_is_named(folders):
    (folders.evaluation / "metrics.json").write_text("{")
    with pytest.raises(UserError, match=r"metrics\.json: not JSON"):
        read_entries(folders, SYSTEMS)


def test_a_system_has_mean_curves_with_their_number_of_units(folders):
    k2, t2, *_ = read_entries(folders, SYSTEMS)
    units = [dict(child.curves["loss"]) for child in k2.children]
    for epoch, value in k2.curves["loss"]:
        reached = [unit[epoch] for unit in units if epoch in unit]
        assert value == pytest.approx(sum(reached) / len(reached))
        assert dict(k2.curves["units_in_mean"])[epoch] == len(reached)
    assert k2.metrics["best_epoch"] == 3
    assert not t2.curves


def test_the_page_warns_of_synthetic_speech_and_speaker_dependence(folders):
    path = folders.evaluation / "summary.json"
    summary = json.loads(path.read_text())
    path.write_text(json.dumps(summary | {"synthetic": True, "speaker_independent": False}))
    k2, _, comparison = read_entries(folders, SYSTEMS)
    for entry in (k2, comparison):
        assert "Synthetic speech" in entry.note
        assert "Speaker-dependent" in entry.note


@pytest.mark.parametrize(
    "text",
    [
        "fold,trial,state,ua,learning_rate,seconds,worker\n03,0,COMPLETE,0.5,0.01,7.5,one\n",
        'fold,trial,state,ua,params,seconds,worker\n03,0,complete,0.5,"{""learning_rate"": 0.01}",7.5,one\n',
    ],
)
def test_a_trial_is_read_with_any_other_columns(folders, text):
    (folders.tuned / "k2" / "trials.csv").write_text(text)
    (trial,) = (child for child in read_entries(folders, SYSTEMS)[0].children if child.kind == "trial")
    assert trial.name == "k2 fold 03 trial 0"
    assert trial.params == {"hyperparameters.learning_rate": 0.01}
    assert trial.metrics == {"valid_ua": 0.5, "seconds": 7.5}
    assert trial.tags["worker"] == "one"
    assert trial.tags["state"] == "complete"


def test_without_a_search_there_are_no_trials(folders):
    (folders.tuned / "k2" / "trials.csv").write_text("fold,trial,state,ua\n")
    assert {child.kind for child in read_entries(folders, SYSTEMS)[0].children} == {"unit"}
