"""The reports of pipeline release; the pipeline as a whole is tested in tests/pipelines/test_release.py."""

import json
from pathlib import Path

import pytest
import yaml
from kfp import dsl

from speech_emotion.steps import releasing
from speech_emotion.tracking.release import Release

RAW = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))
SECTIONS = json.dumps({name: RAW[name] for name in ("track", "registry")})


@pytest.mark.parametrize(
    ("before", "rows"),
    [
        (None, ["| models:/speech-emotion/2 | bb | now |"]),
        (Release(2, "bb"), ["| models:/speech-emotion/2 | bb | now |"]),
        (Release(1, "aa"), ["| models:/speech-emotion/2 | bb | now |", "| models:/speech-emotion/1 | aa | before |"]),
    ],
)
def test_the_report_lists_the_new_and_the_previous_release(tmp_path, monkeypatch, before, rows):
    monkeypatch.setattr(releasing, "record", lambda release, track, registry, recorder: before)
    report = dsl.Markdown(name="released", uri=str(tmp_path / "released"))
    releasing.note(SECTIONS, "2:bb", {"released": report})
    lines = Path(report.path).read_text().splitlines()
    assert lines[0] == "# models:/speech-emotion/2 is released" and lines[4:] == rows
    assert report.metadata == {"model": "models:/speech-emotion/2", "digest": "bb"}
