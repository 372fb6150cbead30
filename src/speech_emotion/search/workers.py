"""Workers of a search: one in this process, or several processes. Workers that are killed are replaced."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

import optuna
import threadpoolctl
from optuna.storages import RDBStorage

from speech_emotion.errors import UserError
from speech_emotion.recorder import Recorder
from speech_emotion.search.objective import objective
from speech_emotion.search.published import take_published
from speech_emotion.search.storage import answering, open_storage, open_study
from speech_emotion.search.study import Found, SearchJob, Slots, claim, found, run

SECONDS_BETWEEN_LOOKS = 0.5  # between checks of what other workers have done
INTERRUPTED = 128 + signal.SIGINT  # exit code of a worker that was asked to end
ENDED_BY_A_SIGNAL = (INTERRUPTED, *range(-signal.NSIG, 0))
Judge = Callable[..., float]


def search(
    jobs: Sequence[SearchJob], workers: int, recorder: Recorder, title: str, judge: Judge = objective
) -> list[Found]:
    """Runs the remaining trials of the studies; other processes may work on them at the same time.

    The result is the same for any number of workers.

    Args:
        jobs: one search for each outer fold, all with the same storage.
        workers: number of processes, with one thread each; with 1, this process is the worker.
        recorder: shows progress and notes.
        title: title of the progress bar.
        judge: like objective(); picklable.

    Raises:
        UserError: the storage cannot be used, or a study has no complete trial.
    """
    with answering(jobs[0].url):
        return _search(jobs, workers, recorder, title, judge)


def _search(jobs: Sequence[SearchJob], workers: int, recorder: Recorder, title: str, judge: Judge) -> list[Found]:
    storage, guard = open_storage(jobs[0].url)
    with guard.turn():
        studies = [_opened(job, storage, recorder) for job in jobs]

    def settled() -> int:
        return sum(Slots.of(study).settled_below(job.params.trials) for job, study in zip(jobs, studies, strict=True))

    def progress(ticks: Iterator[None]) -> Iterator[None]:
        before = 0
        for _ in ticks:
            now = settled()
            yield from [None] * (now - before)
            before = now

    total = sum(job.params.trials for job in jobs)
    if settled() < total:
        ticks = _in_processes(jobs, workers, judge, recorder) if workers > 1 else work(jobs, judge)
        for _ in recorder.progress(progress(ticks), title, total):
            pass
    return [found(job, study) for job, study in zip(jobs, studies, strict=True)]


def work(jobs: Sequence[SearchJob], judge: Judge = objective) -> Iterator[None]:
    """Runs one worker in this process until every trial of every study is settled, by this worker or by others.

    Args:
        jobs: one search for each outer fold, all with the same storage.
        judge: like objective().

    Yields:
        None after each trial, after each wait for other workers, and at the end.
    """
    import torch

    idle = threading.Event()
    torch.set_num_threads(1)  # one thread, so that sums do not depend on the number of cores
    torch.use_deterministic_algorithms(True)
    storage, guard = open_storage(jobs[0].url)
    with answering(jobs[0].url), threadpoolctl.threadpool_limits(1), contextlib.ExitStack() as presence:
        worker = presence.enter_context(guard.present())
        with guard.turn():
            left = [(job, _opened(job, storage)) for job in jobs]
        while left:
            claimed = None
            for job, study in left:
                with guard.turn():
                    if not guard.is_alive(worker):  # a server that was restarted has forgotten this worker
                        presence.close()
                        worker = presence.enter_context(guard.present())
                    claimed = claim(job, study, worker, guard)
                if claimed is not None:
                    run(job, study, claimed, judge)
                    break
            if claimed is None:
                idle.wait(SECONDS_BETWEEN_LOOKS)
            yield
            left = [
                (job, study)
                for job, study in left
                if Slots.of(study).settled_below(job.params.trials) < job.params.trials
            ]
    yield


def _opened(job: SearchJob, storage: RDBStorage, recorder: Recorder | None = None) -> optuna.Study:
    """Opens the study and adds missing published trials. Call it only inside guard.turn()."""
    study = open_study(job.name, storage)
    taken = take_published(job, study, job.papers) if job.papers else 0
    if taken and recorder:
        recorder.note(f"{job.system} fold {job.fold}: {taken} trials are taken from {job.papers}")
    return study


def _in_processes(jobs: Sequence[SearchJob], workers: int, judge: Judge, recorder: Recorder) -> Iterator[None]:
    context = multiprocessing.get_context("forkserver")  # imports only once, so a new worker starts fast
    context.set_forkserver_preload([__name__])

    def started() -> BaseProcess:
        process = context.Process(target=_process, args=(jobs, judge), daemon=True)
        process.start()
        return process

    kills, most = 0, 2 * sum(job.params.trials for job in jobs) + workers
    processes = [started() for _ in range(workers)]
    try:
        while processes:
            wait([process.sentinel for process in processes], SECONDS_BETWEEN_LOOKS)
            yield
            for process in [one for one in processes if one.exitcode is not None]:
                processes.remove(process)
                if process.exitcode == 0:
                    continue
                if process.exitcode not in ENDED_BY_A_SIGNAL:
                    raise UserError(f"search worker: ended with exit code {process.exitcode}: see its messages above")
                kills += 1
                if kills > most:
                    raise UserError("search workers: are killed again and again: check that there is enough memory")
                recorder.note(f"search worker: ended by {_signal(process.exitcode)}: another takes its place")
                processes.append(started())
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


def _signal(exitcode: int) -> str:
    return "request" if exitcode == INTERRUPTED else signal.Signals(-exitcode).name


def _process(jobs: Sequence[SearchJob], judge: Judge) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        for _ in work(jobs, judge):
            pass
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except UserError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        sys.exit(1)


def _interrupt(number: int, frame: object) -> None:
    """Raises KeyboardInterrupt only once, so that a second signal does not disturb giving back the running trial."""
    for other in (signal.SIGINT, signal.SIGTERM):
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)
