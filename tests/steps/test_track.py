from pathlib import Path

from speech_emotion.params import load_params
from speech_emotion.steps.driver import NAMES, load_step

ROOT = Path(__file__).parents[2]


def test_track_and_register_come_last():
    assert NAMES[-2:] == ("track", "register")


def test_track_reads_the_outputs_of_earlier_steps():
    written = {load_step(name).outputs[port] for name in NAMES[:-2] for port in load_step(name).outputs}
    for folder in load_step("track").inputs.values():
        assert any(output == folder or output == f"{folder}/{{system}}" for output in written), folder


def test_default_store_is_a_database_that_git_ignores():
    uri = load_params(ROOT / "params.yaml").track.uri
    assert uri == "sqlite:///mlflow.db"
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/mlflow.db*" in ignored
    assert "/mlartifacts/" in ignored
