"""Compiled pipelines compared with committed files: every task, reference, type, image and setting.

After an intended change `GOLDEN_WRITE=1 python -m pytest tests/pipelines/test_golden.py` writes the files again; check
the difference before you commit it. The components' source code is left out.
"""

import difflib
import json
import os
from pathlib import Path

import pytest
import yaml
from kfp import compiler

from components.images.names import Digests
from pipelines.compiling import PIPELINES
from pipelines.settings import load_settings

GOLDEN = Path(__file__).parent / "golden"
PARAMS = {"corpus": "demo", "tune": {"trials": 20}, "track": {"uri": "http://mlflow"}, "registry": {"name": "model"}}


@pytest.mark.parametrize("name", PIPELINES)
def test_a_compiled_pipeline_equals_its_golden_file(name, tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.images.read_digests", Digests)  # whatever was pushed
    pipeline = PIPELINES[name](load_settings(GOLDEN / "cluster.yaml"), json.dumps(PARAMS))
    compiler.Compiler().compile(pipeline, str(tmp_path / "compiled.yaml"))
    documents = list(yaml.safe_load_all((tmp_path / "compiled.yaml").read_text(encoding="utf-8")))
    for executor in documents[0]["deploymentSpec"]["executors"].values():
        del executor["container"]["command"], executor["container"]["args"]
    found, file = yaml.safe_dump_all(documents, width=120), GOLDEN / f"{name}.yaml"
    if os.environ.get("GOLDEN_WRITE"):
        file.write_text(found, encoding="utf-8")
    expected = file.read_text(encoding="utf-8")
    difference = "\n".join(
        difflib.unified_diff(expected.splitlines(), found.splitlines(), file.name, "now", lineterm="")
    )
    assert not difference, f"{difference}\nif this is intended, write the file again with GOLDEN_WRITE=1"
