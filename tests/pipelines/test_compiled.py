"""The checks of a compiled pipeline before anything is sent."""

import pytest

from speech_emotion.errors import UserError

DIGEST = "sha256:" + "a" * 64


def test_arguments_are_converted_to_the_parameters_types(compiled):
    words = ["revision=a=b", "shards=4", "share=1", "fresh=true", 'systems=["k2"]', 'more={"a": 1}']
    assert compiled().arguments(words) == {
        "revision": "a=b",
        "shards": 4,
        "share": 1,
        "fresh": True,
        "systems": ["k2"],
        "more": {"a": 1},
    }
    assert compiled().arguments(["revision=0123"]) == {"revision": "0123"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["revision"], "parameter revision: must be NAME=VALUE"),
        (["shard=2"], "parameter shard: pipeline one-step has no such parameter: must be one of fresh, more, revision"),
        (["shards=two"], "parameter shards = 'two': must be a whole number: shards=4"),
        (["shards=2.5"], "must be a whole number"),
        (["shards=true"], "must be a whole number"),
        (["share=much"], "parameter share = 'much': must be a number"),
        (["fresh=yes"], "parameter fresh = 'yes': must be true or false"),
        (["systems=k2"], "parameter systems = 'k2': must be a list as JSON"),
        (["more=[1]"], "parameter more = '[1]': must be an object as JSON"),
        (["shards=2", "shards=3"], "parameter shards: is given twice"),
        ([], "parameter revision: is required by pipeline one-step: add revision=text"),
    ],
)
def test_a_wrong_argument_is_refused_with_its_cure(compiled, words, message):
    with pytest.raises(UserError) as caught:
        compiled().arguments(words)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("revision=postgresql://me:whispered@host/name", "revision"),
        ("revision=postgresql://host/name?user=me&PASSWORD=whispered", "revision"),
        ('systems=["tune.trials=2", "tune.storage=postgresql://me:whispered@host/name"]', "systems"),
        ("systems=[tune.storage=postgresql://host/name?password=whispered]", "systems"),
        ("storage=postgresql://me:whispered@host/name", "storage"),
        ("storage:postgresql://me:whispered@host/name", "storage:postgresql"),
    ],
)
def test_an_argument_with_a_password_is_refused_and_not_repeated(compiled, word, name):
    with pytest.raises(UserError) as caught:
        compiled().arguments([word])
    assert str(caught.value).startswith(f"parameter {name}: holds a password, which would be published: remove it and")
    assert "whispered" not in str(caught.value)


def test_a_list_may_lack_the_quotes_that_a_shell_removes(compiled):
    given = compiled().arguments(["revision=a", "systems=[k2, t2]"])
    assert given["systems"] == ["k2", "t2"]


def test_an_image_without_digest_was_never_pushed(compiled):
    with pytest.raises(UserError) as caught:
        compiled(image="speech-emotion-cpu:0123").check_images("")
    assert str(caught.value).startswith("image speech-emotion-cpu:0123 (of fetch): has no digest in components/images/")
    assert str(caught.value).endswith("make images, then make images-push REGISTRY=...")


def test_the_cuda_image_is_built_with_its_variant(compiled):
    with pytest.raises(UserError, match=r"make images VARIANTS=cuda, then make images-push VARIANTS=cuda REG"):
        compiled(image="speech-emotion-cuda:latest").check_images("r.io")


def test_an_image_of_another_registry_is_refused(compiled):
    pipeline = compiled(image=f"other.example.com/speech-emotion@{DIGEST}")
    pipeline.check_images("")
    pipeline.check_images("other.example.com/")
    with pytest.raises(UserError, match=r"is not in images\.registry = registry\.example\.com"):
        pipeline.check_images("registry.example.com")


def test_secrets_and_claims_are_the_ones_that_pods_need_to_start(compiled):
    pipeline = compiled(
        secrets=[
            {"name": "git", "steps": ["fetch"], "keys": {"token": "GIT_TOKEN", "user": "GIT_USERNAME"}},
            {"name": "luxury", "steps": ["fetch"], "keys": {"a": "A"}, "optional": True},
            {"name": "of-others", "steps": ["train"], "keys": {"b": "B"}},
        ],
        images={"registry": "", "pull_policy": "Always", "pull_secrets": ["registry"]},
        storage={"pipeline_root": "", "cache_claim": "units", "cache_path": "/cache"},
    )
    assert pipeline.secrets == {"git": {"token", "user"}, "registry": set()}
    assert pipeline.claims == {"units"}
