import json

import pytest

from speech_emotion.tracking.connection import Store, open_store
from speech_emotion.tracking.views import MODES, SYSTEMS, columns, directions, present


@pytest.fixture
def store(new_database):
    with open_store(new_database(), "mine") as store:
        yield store


def test_views_are_stored_in_the_form_of_the_pages(store):
    present(store)
    tags = store.client.get_experiment(store.experiment).tags
    state = json.loads(tags[f"mlflow.sharedViewState.{SYSTEMS}"])
    assert state["orderByKey"] == "metrics.`ua`"
    assert state["selectedColumns"][0] == "metrics.`ua`"
    assert state["compareRunCharts"][0]["metricKey"] == "ua"
    sections = {section["uuid"] for section in state["compareRunSections"]}
    assert all(chart["metricSectionId"] in sections for chart in state["compareRunCharts"])
    assert max(map(len, tags.values())) <= 5000  # the longest tag that the store keeps
    assert directions(store, SYSTEMS).startswith(
        f"make ui, then http://127.0.0.1:5000/#/experiments/{store.experiment}/runs?"
    )
    assert f"viewStateShareKey={SYSTEMS}" in directions(store, SYSTEMS)


@pytest.mark.parametrize("view", MODES)
def test_the_store_accepts_filter_and_order_of_a_view(store, view):
    wanted, order, _ = columns()[view]
    assert store.client.search_runs([store.experiment], wanted, order_by=[f"{order} DESC"]) == []


def test_the_description_links_to_the_views(store):
    present(store)
    note = store.client.get_experiment(store.experiment).tags["mlflow.note.content"]
    assert directions(store, SYSTEMS).partition("/#")[2] in note


def test_a_servers_views_are_on_the_server():
    assert directions(Store(None, "http://there:5000/", "7"), SYSTEMS).startswith("http://there:5000/#/experiments/7/")
