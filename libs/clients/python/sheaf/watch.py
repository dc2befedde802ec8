"""Following jobs, logs and branches: through connections that break and masters that restart."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable, Iterator

from .api import v1
from .calls import UNREACHABLE_SECONDS, Cancel, Outage, Waits, is_not_read
from .errors import SheafError

_TERMINAL = {v1.JOB_STATE_SUCCEEDED, v1.JOB_STATE_FAILED, v1.JOB_STATE_STOPPED, v1.JOB_STATE_INCONSISTENT}


def is_terminal(state: int) -> bool:
    """Whether a job in this state never changes any more."""
    return state in _TERMINAL


def watch_job(
    rpc: Any,
    pipeline: str,
    job: str = "",
    *,
    first_job_seconds: float = 0.0,
    unreachable_seconds: float = UNREACHABLE_SECONDS,
    on_broken: Callable[[SheafError], None] | None = None,
    cancel: Cancel | None = None,
    deadline: float | None = None,
) -> Iterator[v1.Job]:
    cancel = cancel or Cancel()
    waits, outage, resume = Waits(), Outage(unreachable_seconds), ""
    begun = time.monotonic()
    while True:
        try:
            left = None if deadline is None else max(0.001, deadline - time.monotonic())
            request = v1.WatchJobRequest(pipeline=pipeline, job=job, resume=resume)
            for answer in rpc.job.WatchJob(request, timeout=left, cancel=cancel):
                resume = answer.resume
                waits.reset()
                outage.over()
                if not answer.HasField("job"):
                    continue
                job = answer.job.id  # from now on this one, whatever comes after it
                yield answer.job
                if is_terminal(answer.job.state):
                    return
        except SheafError as error:
            is_first = not job and error.reason == "JOB_NOT_FOUND" and time.monotonic() - begun < first_job_seconds
            is_broken = outage.is_bearable(error)
            if not (is_first or is_broken or is_not_read(error)):
                raise
            if is_broken and on_broken is not None:
                on_broken(error)
        # A stream that ends before the job does is a master that went away politely.
        cancel.sleep(waits.next())


def wait_job(
    rpc: Any,
    pipeline: str,
    job: str = "",
    timeout: float | None = None,
    on_change: Callable[[v1.Job], None] | None = None,
    **options: Any,
) -> v1.Job:
    deadline = None if timeout is None else time.monotonic() + timeout
    last = v1.Job()
    try:
        for last in watch_job(rpc, pipeline, job, deadline=deadline, **options):
            if on_change is not None:
                on_change(last)
    except SheafError as error:
        # The master knows the deadline and may find it over before this clock does.
        is_late = deadline is not None and (
            error.code == "DEADLINE_EXCEEDED" or (error.code == "UNAVAILABLE" and time.monotonic() >= deadline)
        )
        if not is_late:
            raise
        text = f'the job of pipeline "{pipeline}" was not over after {timeout:g} s; it goes on'
        raise SheafError("DEADLINE_EXCEEDED", "JOB_NOT_OVER", text) from None
    return last


def follow_logs(
    rpc: Any,
    pipeline: str,
    job: str,
    *,
    unreachable_seconds: float = UNREACHABLE_SECONDS,
    on_broken: Callable[[SheafError], None] | None = None,
    cancel: Cancel | None = None,
    **filters: Any,
) -> Iterator[v1.JobLogLine]:
    cancel = cancel or Cancel()
    waits, outage, resume, is_broken = Waits(), Outage(unreachable_seconds), "", False
    while True:
        request = v1.GetLogsRequest(pipeline=pipeline, job=job, follow=True, resume=resume, **filters)
        try:
            for answer in rpc.datum.GetLogs(request, cancel=cancel):
                waits.reset()
                outage.over()
                is_broken = False
                yield from answer.lines
                resume = answer.resume
            return
        except SheafError as error:
            # Who prints lines may wait for long, on a pager, and read nothing meanwhile.
            if is_not_read(error):
                outage.over()
            elif not outage.is_bearable(error):
                raise
            elif not is_broken and on_broken is not None:
                on_broken(error)
            is_broken = True
        cancel.sleep(waits.next())


@dataclass(frozen=True)
class WatchedCommit:
    commit: v1.Commit
    resume: str
    """Where another watch goes on behind it. To be kept with whatever the commit brought about."""
    gap: bool
    """It does not follow the one before: the branch was put elsewhere."""


def watch_commits(
    rpc: Any,
    repo: str,
    branch: str = "",
    *,
    resume: str = "",
    unreachable_seconds: float = UNREACHABLE_SECONDS,
    on_broken: Callable[[SheafError], None] | None = None,
    cancel: Cancel | None = None,
) -> Iterator[WatchedCommit]:
    cancel = cancel or Cancel()
    waits, outage = Waits(), Outage(unreachable_seconds)
    while True:
        try:
            request = v1.WatchCommitsRequest(repo=repo, branch=branch, resume=resume)
            for answer in rpc.repo.WatchCommits(request, cancel=cancel):
                resume = answer.resume
                waits.reset()
                outage.over()
                if answer.HasField("commit"):
                    yield WatchedCommit(answer.commit, resume, answer.gap)
        except SheafError as error:
            is_broken = outage.is_bearable(error)
            if not (is_broken or is_not_read(error)):
                raise
            if is_broken and on_broken is not None:
                on_broken(error)
        cancel.sleep(waits.next())
