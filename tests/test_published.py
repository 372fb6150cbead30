"""Every published fold run and search in papers/ is found by its key."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from speech_emotion.corpora.catalogue import corpus_of
from speech_emotion.corpora.table import Labelled, Utterance, write_utterances
from speech_emotion.corpora.verification import published_sums
from speech_emotion.params import Budget, load_params
from speech_emotion.steps.step import StepParams
from speech_emotion.steps.train import experiment_of, make_jobs
from speech_emotion.steps.tune import STEP as TUNE
from speech_emotion.steps.tune import search_jobs
from speech_emotion.training.units import Unit

TOP = Path(__file__).parents[1]
PAPERS = TOP / "papers"
FOLDERS = sorted(PAPERS.glob("*/units/*"))
STUDIES = sorted(PAPERS.glob("*/studies/*/*.json"))


@pytest.fixture(scope="session")
def utterances(tmp_path_factory):
    """Corpus -> folder of its utterance table, made from the published checksums without any audio."""
    made: dict[str, Path] = {}

    def of(corpus: str) -> Path:
        if corpus not in made:
            made[corpus] = _write_table(corpus, tmp_path_factory.mktemp(corpus))
        return made[corpus]

    return of


def _write_table(name: str, folder: Path) -> Path:
    corpus = corpus_of(name)
    sums = published_sums(corpus)
    for path in sums:
        (folder / name / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / name / path).touch()
    rows = [
        Utterance(
            id=f"{name}/{Path(one.path).with_suffix('').as_posix()}",
            corpus=name,
            path=one.path,
            speaker=one.speaker,
            sex=one.sex,
            emotion=one.emotion,
            intensity=one.intensity,
            text=one.text,
            session=one.session,
            start=0.0,
            end=1.0,
            duration=1.0,
            sample_rate=16000,
            channels=1,
            sha256=sums[one.path],
            licence=corpus.licence,
        )
        for one in corpus.read(folder / name)
        if isinstance(one, Labelled)
    ]
    write_utterances(folder / "utterances.parquet", rows)
    return folder


def _params(corpus: str, system: str, seeds: list[int]) -> StepParams:
    params = load_params(TOP / "params.yaml")
    budget = params.budgets[corpus]
    asked = Budget(protocol=budget.protocol, candidates=[system], seeds=seeds, max_epochs=budget.max_epochs)
    changed = params.model_copy(update={"corpus": corpus, "budgets": {corpus: asked}})
    return StepParams(changed, TUNE.sections, system)


def _found_by_search(paper: Path, run: str, system: str) -> Mapping[str, Any]:
    """Fold -> hyper-parameters of the best complete published trial."""
    best = {}
    for path in (paper / "studies" / run).glob(f"{system}-*.json"):
        record = json.loads(path.read_text())
        complete = [trial for trial in record["trials"] if trial["state"] == "complete"]
        best[record["fold"]] = max(complete, key=lambda trial: (trial["value"], -trial["number"]))["params"]
    return best


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: f"{path.parts[-3]}-{path.name}")
def test_every_published_fold_run_is_found(folder, utterances, monkeypatch):
    monkeypatch.chdir(TOP)
    units = [Unit.from_file(path) for path in sorted(folder.glob("*.json"))]
    corpus = units[0].corpus
    for system in sorted({unit.system for unit in units}):
        of_system = [unit for unit in units if unit.system == system]
        params = _params(corpus, system, sorted({unit.seed for unit in of_system}))
        experiment, rows, folds = experiment_of(params, utterances(corpus), folder)
        run, tuned = folder.name.removesuffix("-tuned"), folder.name.endswith("-tuned")
        best = _found_by_search(folder.parents[1], run, system) if tuned else {}
        asked = {(job.fold.name, job.seed): job.key for job in make_jobs(params, experiment, rows, folds, best, folder)}
        assert {(unit.fold, unit.seed): unit.key for unit in of_system}.items() <= asked.items()


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_published_search_is_found(path, utterances, tmp_path, monkeypatch):
    monkeypatch.chdir(TOP)
    record = json.loads(path.read_text())
    corpus = record["study"].split("/")[0]
    params = _params(corpus, record["system"], [0])
    inputs = {"utterances": utterances(corpus), "features": tmp_path, "studies": tmp_path, "papers": PAPERS}
    names = {job.fold: job.name for job in search_jobs(inputs, params)}
    assert names[record["fold"]] == record["study"]
    assert len(record["trials"]) == 20


def test_the_tests_above_cover_everything_published():
    assert len(FOLDERS) == 7 and sum(len(list(folder.glob("*.json"))) for folder in FOLDERS) == 160
    assert len(STUDIES) == 10
