"""Step tune: hyper-parameters of one system for each outer fold; off by default, then it hands on nothing."""

import json

import pandas as pd

from speech_emotion.parallel import ordered_map
from speech_emotion.recorder import Recorder
from speech_emotion.search.study import SearchJob, search
from speech_emotion.steps.step import Folders, Step, StepParams
from speech_emotion.steps.train import STEP as TRAIN
from speech_emotion.steps.train import experiment_of, make_jobs
from speech_emotion.store.atomic import write_text


def run_step(inputs: Folders, params: StepParams, outputs: Folders, recorder: Recorder) -> None:
    best, trials = {}, []
    if params.tune.enabled:
        experiment, _, folds = experiment_of(params, inputs["utterances"], inputs["features"])
        first_seed = params.budget.seeds[0]
        storage = inputs["studies"] / f"{params.system}.db"
        jobs = [
            SearchJob(job, storage, params.tune.trials, params.tune.seed)
            for job in make_jobs(params, experiment, folds, {}, inputs["studies"])
            if job.seed == first_seed
        ]
        for found in ordered_map(search, jobs, params.workers, recorder, f"tune {params.system}"):
            best[found.fold] = found.best
            trials += found.trials
            recorder.note(f"{params.system} fold {found.fold}: inner UA {100 * found.best_ua:.1f} with {found.best}")
    write_text(outputs["best"] / "best.json", json.dumps(best, indent=1, sort_keys=True) + "\n")
    columns = ["fold", "trial", "state", "ua"]
    frame = pd.DataFrame(trials) if trials else pd.DataFrame(columns=columns)
    frame.to_csv(outputs["best"] / "trials.csv", index=False)


STEP = Step(
    name="tune",
    run=run_step,
    inputs={"utterances": "artifacts/ingest", "features": "artifacts/features"},
    outputs={"best": "artifacts/tune/{system}"},
    sections=(*TRAIN.sections, "tune"),
    caches={"studies": "artifacts/studies"},
    per_system=True,
)
