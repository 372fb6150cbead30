import json
import os

import pytest

from speech_emotion.parallel import ordered_map
from speech_emotion.recorder import Training
from speech_emotion.tracking import journal as module
from speech_emotion.tracking.journal import JournalRecorder, group_of, parse, read_journal

UNIT = Training("aa", ("aa", "bb"), "emodb", "emodb-loso", "k2", "03", 0, {"units": 4}, 3)
VALUES = {"epoch": 1, "loss": 1.5, "valid_ua": 0.25}


@pytest.fixture
def recorder(tmp_path):
    return JournalRecorder(tmp_path / "journals", 10.0, quiet=True)


def test_a_journal_records_a_training_from_start_to_end(recorder):
    with recorder.training(UNIT) as on_epoch:
        on_epoch(1, VALUES)
        on_epoch(2, VALUES)
        assert read_journal(recorder.folder, "aa").end is None
    journal = read_journal(recorder.folder, "aa")
    assert journal.start["session"] == recorder.session
    assert journal.start["unit"]["fold"] == "03"
    assert journal.start["unit"]["together"] == group_of(["bb", "aa"])
    assert [line["epoch"] for line in journal.epochs] == [1, 2]
    assert journal.epochs[0]["values"]["valid_ua"] == 0.25
    assert journal.finished
    assert journal.end["seconds"] >= 0


def test_the_machine_is_sampled_before_a_training_ends(recorder, monkeypatch):
    monkeypatch.setattr(module, "SHORTEST_SAMPLE_SECONDS", 0.0)
    with recorder.training(UNIT):
        pass
    (sample,) = read_journal(recorder.folder, "aa").samples
    assert sample["values"]["process_memory_megabytes"] > 0


@pytest.mark.parametrize(("raised", "status"), [(ValueError("no"), "FAILED"), (KeyboardInterrupt(), "KILLED")])
def test_an_aborted_training_records_its_status_and_error(recorder, raised, status):
    with pytest.raises(type(raised)), recorder.training(UNIT):
        raise raised
    journal = read_journal(recorder.folder, "aa")
    assert journal.end["status"] == status
    assert journal.end.get("error") == ("no" if status == "FAILED" else None)
    assert not journal.finished


def test_a_second_training_of_a_unit_starts_a_new_journal(recorder):
    for count in (2, 1):
        with recorder.training(UNIT) as on_epoch:
            for epoch in range(count):
                on_epoch(epoch + 1, VALUES)
    assert len(read_journal(recorder.folder, "aa").epochs) == 1


def test_a_worker_of_a_killed_run_does_not_write_to_the_next_runs_journal(recorder):
    with recorder.training(UNIT) as orphan:
        orphan(1, VALUES)
        with recorder.training(UNIT) as on_epoch:
            orphan(2, VALUES)
            on_epoch(1, VALUES)
        orphan(3, VALUES)
    journal = read_journal(recorder.folder, "aa")
    assert [line["epoch"] for line in journal.epochs] == [1]
    assert journal.finished


def test_an_incomplete_line_is_read_later():
    line = json.dumps({"event": "epoch", "time": 1}).encode()
    lines, used = parse(line + b"\n" + line[:7])
    assert len(lines) == 1
    assert used == len(line) + 1


def test_a_file_that_is_not_a_journal_gives_none(recorder):
    recorder.folder.mkdir()
    (recorder.folder / "aa.jsonl").write_text("a letter\n[1]\n{}\n")
    assert read_journal(recorder.folder, "aa") is None
    assert read_journal(recorder.folder, "bb") is None


def _of_whom(recorder):
    return os.getpid(), recorder.folder, recorder.session


def test_a_recorder_works_in_other_processes(recorder):
    there = list(ordered_map(_of_whom, [recorder, recorder], 2, recorder, "asked"))
    assert [process == os.getpid() for process, _, _ in there] == [False, False]
    assert [told for _, *told in there] == 2 * [[recorder.folder, recorder.session]]


def test_a_failing_disk_causes_a_warning_and_training_goes_on(tmp_path, capsys):
    (tmp_path / "journals").write_text("a file where the folder should be")
    recorder = JournalRecorder(tmp_path / "journals", 10.0)
    with recorder.training(UNIT) as on_epoch:
        on_epoch(1, VALUES)
    assert capsys.readouterr().err.count("this training keeps no journal") == 1
