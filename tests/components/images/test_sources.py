import re
from pathlib import Path

import pytest

from components.images import sources
from components.images.making import DOCKERFILE
from made_up_checkout import commit, git

TOP = Path(__file__).parents[3]


def test_the_revision_is_the_commit(checkout):
    assert sources.revision(checkout) == git(checkout, "rev-parse", "HEAD")


@pytest.mark.parametrize("name", ["src/code.py", "src/not-yet-added.py", "params.yaml"])
def test_a_change_of_the_images_files_makes_the_revision_dirty(checkout, name):
    (checkout / name).write_text("changed")
    assert sources.revision(checkout) == git(checkout, "rev-parse", "HEAD") + "-dirty"


def test_a_change_of_the_documentation_does_not(checkout):
    (checkout / "docs" / "text.md").write_text("changed")
    assert not sources.revision(checkout).endswith("-dirty")


def test_the_content_hashes_the_files_committed_or_not(checkout):
    before = sources.content(checkout)
    (checkout / "src" / "code.py").write_text("changed")
    changed = sources.content(checkout)
    commit(checkout)
    assert before != changed == sources.content(checkout)


def test_the_content_ignores_params_yaml(checkout):
    before = sources.content(checkout)
    (checkout / "params.yaml").write_text("changed")
    assert sources.content(checkout) == before


def test_outside_of_git_the_revision_is_unknown(tmp_path):
    assert sources.revision(tmp_path) == sources.content(tmp_path) == "unknown"


@pytest.mark.parametrize(
    ("remote", "shown"),
    [
        ("https://ann:secret@git.example.org/team/project.git", "https://git.example.org/team/project.git"),
        ("git@git.example.org:team/project.git", "git@git.example.org:team/project.git"),
        ("/srv/git/project.git", ""),
    ],
)
def test_the_address_of_the_repository_has_no_credentials_and_is_no_local_folder(checkout, remote, shown):
    git(checkout, "remote", "add", "origin", remote)
    assert sources.address(checkout) == shown


def test_the_build_context_is_exactly_what_the_dockerfile_copies():
    copied = set()
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE.read_text(), re.MULTILINE):
        copied |= set(line.split()[:-1])
    assert copied == set(sources.parts()) - {"components/images/Dockerfile"}
    assert all((TOP / name).exists() for name in copied)
