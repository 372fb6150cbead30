from speech_emotion import provenance


def test_the_revision_is_that_of_git_and_outside_of_it_that_of_the_image(tmp_path, monkeypatch):
    monkeypatch.delenv(provenance.REVISION_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.revision() is None
    monkeypatch.setenv(provenance.REVISION_VARIABLE, "1" * 40)
    assert provenance.revision() == "1" * 40


def test_provenance_names_source_versions_and_processor(tmp_path):
    code = tmp_path / "code.py"
    code.write_text("a = 1\n")
    found = provenance.provenance_of([code])
    assert set(found) == {"source", "python", "libraries", "processor", "revision"}
    assert found["libraries"]["torch"] and found["processor"]
    code.write_text("a = 2\n")
    assert provenance.provenance_of([code])["source"] != found["source"]
