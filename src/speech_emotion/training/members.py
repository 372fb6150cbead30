"""Predictions of finished fold runs that other fold runs build on: a student's teachers, an ensemble's members."""

from collections.abc import Sequence

from speech_emotion.errors import UserError
from speech_emotion.systems.catalogue import load_system, system_class
from speech_emotion.training.fitting import predict
from speech_emotion.training.job import Job
from speech_emotion.training.units import UnitStore

Rows = dict[str, Sequence[float]]  # id -> probabilities in the order of the labels


def member_predictions(job: Job, store: UnitStore) -> dict[str, Rows]:
    """System -> predictions of each member on the parts of the fold that the job's system needs.

    They come from the member's fold run with the same fold and seed, so it was trained only on that fold's training
    speakers.

    Args:
        job: the fold run that builds on the members.
        store: finished fold runs.

    Raises:
        UserError: a member's fold run or its model is missing.
    """
    parts = system_class(job.experiment.config).ASKS_MEMBERS_FOR
    ids = [id for part in parts for id in getattr(job.fold, part)]
    return {member.experiment.system: _predictions(member, ids, store) for member in job.members}


def to_train(jobs: Sequence[Job], store: UnitStore) -> list[list[Job]]:
    """The fold runs still to be trained, with those of the systems they build on, in waves.

    A wave builds only on the waves before it. A member also has to be trained if its model is needed (for predictions
    on training utterances) and only its published record, without the model, exists.

    Args:
        jobs: the fold runs that are wanted.
        store: finished fold runs.
    """
    depths: dict[str, tuple[int, Job]] = {}

    def visit(job: Job, with_model: bool) -> int:
        cls = system_class(job.experiment.config)
        through_members = with_model and "test" in cls.ASKS_MEMBERS_FOR  # it predicts from its members' predictions
        finished = store.find(job.key) is not None and not (with_model and store.model_folder(job.key) is None)
        if finished:
            return max((visit(member, True) for member in job.members), default=0) if through_members else 0
        models = set(cls.ASKS_MEMBERS_FOR) != {"test"} or through_members
        depth = 1 + max((visit(member, models) for member in job.members), default=0)
        depths[job.key] = max(depths.get(job.key, (0, job)), (depth, job), key=lambda one: one[0])
        return depth

    for job in jobs:
        visit(job, False)
    waves: list[list[Job]] = [[] for _ in range(max((depth for depth, _ in depths.values()), default=0))]
    for depth, job in depths.values():
        waves[depth - 1].append(job)
    return waves


def _predictions(job: Job, ids: Sequence[str], store: UnitStore) -> Rows:
    unit = store.find(job.key)
    if unit is not None and all(id in unit.predictions for id in ids):
        return {id: unit.predictions[id] for id in ids}
    folder, system = store.model_folder(job.key), job.experiment.system
    if folder is None:
        raise UserError(f"system {system} fold {job.fold.name} seed {job.seed}: its model is missing: train it first")
    members = {}
    if "test" in system_class(job.experiment.config).ASKS_MEMBERS_FOR:  # it needs the predictions of its own members
        members = {member.experiment.system: _predictions(member, ids, store) for member in job.members}
    experiment = job.experiment
    rows = predict(load_system(folder), experiment, experiment.stores(), ids, members)
    return {id: row.tolist() for id, row in zip(ids, rows, strict=True)}
