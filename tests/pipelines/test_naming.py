from google.protobuf.json_format import MessageToDict
from kfp import dsl

from pipelines.naming import with_own_loops


@dsl.component(base_image="image:1", install_kfp_package=False)
def said(word: str):
    print(word)


@with_own_loops
@dsl.pipeline(name="inner")
def inner(words: list):
    with dsl.ParallelFor(words) as word:
        said(word=word)


@with_own_loops
@dsl.pipeline(name="middle")
def middle(lists: list, words: list):
    with dsl.ParallelFor(lists):
        inner(words=words)


@dsl.pipeline(name="outer")
def outer(lists: list, words: list):
    middle(lists=lists, words=words)


def test_nested_loops_have_the_names_of_their_pipelines():
    spec = MessageToDict(outer.pipeline_spec)
    assert sorted(spec["components"]) == [
        "comp-inner", "comp-inner-for-loop-1", "comp-middle", "comp-middle-for-loop-1", "comp-said"
    ]  # fmt: skip
    for component in (spec["root"], *spec["components"].values()):
        for task in component.get("dag", {"tasks": {}})["tasks"].values():
            assert task["componentRef"]["name"] in spec["components"]


def test_tasks_keep_their_names():
    spec = MessageToDict(middle.pipeline_spec)
    assert list(spec["root"]["dag"]["tasks"]) == ["for-loop-1"]
    assert spec["root"]["dag"]["tasks"]["for-loop-1"]["componentRef"]["name"] == "comp-middle-for-loop-1"
