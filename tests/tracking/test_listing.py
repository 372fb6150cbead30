from speech_emotion.tracking.listing import describe
from speech_emotion.tracking.versions import Event, State, Version

TAGS = {
    "system": "t1",
    "corpus": "emodb",
    "synthetic": "false",
    "protocol": "emodb-loso",
    "data": "abcdef0123",
    "ua": "72.5",
}


def test_the_newest_version_comes_first_with_alias_figures_and_reason():
    old = Version(1, (), {**TAGS, "ua": "70"}, "m-1", "r1")
    new = Version(2, ("champion",), {**TAGS, "reason": "UA 72.5 against 70"}, "m-2", "r2")
    history = (
        Event(1, None, "registered", "there was no champion", "ann", "2026-01-01T00:00:00Z"),
        Event(2, 1, "promoted", "quieter", "bob", "2026-01-02T00:00:00Z"),
    )
    lines = describe("speech-emotion", State((old, new), 2, None, history)).splitlines()
    assert lines[0] == "models:/speech-emotion"
    assert lines[3].split()[:7] == ["2", "champion", "t1", "72.5", "emodb", "emodb-loso", "abcdef01"]
    assert lines[3].endswith("UA 72.5 against 70")
    assert lines[4].split() == ["1", "-", "t1", "70", "emodb", "emodb-loso", "abcdef01", "-"]
    assert lines[7] == "  2026-01-02T00:00:00Z  version 2 promoted by bob; before: version 1: quieter"


def test_synthetic_speech_is_marked():
    version = Version(1, (), {**TAGS, "corpus": "demo", "synthetic": "true"}, "m", "r")
    assert "demo (synthetic)" in describe("speech-emotion", State((version,), None, None, ()))


def test_an_empty_registry_names_the_cure():
    assert "nothing is registered yet: run make run" in describe("speech-emotion", State((), None, None, ()))
