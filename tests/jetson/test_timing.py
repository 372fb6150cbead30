import json

import pytest

from speech_emotion_jetson import timing
from speech_emotion_jetson.cli import main
from speech_emotion_jetson.errors import UserError


def test_each_recording_is_repeated_and_warm_up_runs_do_not_count(recogniser, made, monkeypatch):
    asked = []
    predict = recogniser.predict_file
    monkeypatch.setattr(recogniser, "predict_file", lambda path: asked.append(path) or predict(path))
    paths = [made / "samples/anger.wav", made / "samples/neutral.wav"]
    found = timing.measure(recogniser, paths, 4)
    assert found["answers"] == 8
    assert asked == [path for path in paths for _ in range(4 + timing.WARM_UP)]
    total, model = found["milliseconds"]["total"], found["milliseconds"]["model"]
    assert 0 < total["p50"] <= total["p90"] <= total["p99"]
    assert model["p50"] < total["p50"]
    assert 10 < found["peak_megabytes"] < 100_000


def test_the_command_prints_a_table_or_a_line_for_programs(made, capsys):
    sample = str(made / "samples/anger.wav")
    assert main([str(made), "time", "--repeat", "2", sample]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "fp32 on " in lines[0] and "2 answers" in lines[0]
    assert [line.split()[0] for line in lines[1:]] == ["total", "model", "memory"]
    assert main([str(made), "time", "--repeat", "2", "--json", "--variant", "int8-trt", sample]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["variant"], found["threads"], found["answers"]) == ("int8-trt", 1, 2)


def test_no_repetition_is_refused(recogniser, made):
    with pytest.raises(UserError, match="--repeat = 0: must be 1 or more"):
        timing.measure(recogniser, [made / "samples/anger.wav"], 0)
