"""Followers of a job get regular messages, even without progress."""

from __future__ import annotations

import threading
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest

from sidecar.calls import jobs
from sidecar.calls.calls import Call
from sidecar.calls.jobs import Job
from sidecar.errors import Cancelled, SidecarError, SourceFailed
from sidecar.scratch.growing import GrowingFile
from sidecar.scratch.scratch import Scratch


@pytest.fixture
def call() -> Call:
    return Call(operation="operation", fence=1)


def test_a_follower_hears_that_silent_work_is_alive(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_REPORT_SECONDS", 0.01)
    monkeypatch.setattr(jobs, "_HEARTBEAT_SECONDS", 0.05)
    release = threading.Event()
    job: Job[int, str] = Job(name="silent work", progress=0)
    job.start(lambda: "done" if release.wait(60) else "late")
    heard = job.follow(call)
    assert list(islice(heard, 3)) == [0, 0, 0]
    release.set()
    assert list(heard) in ([], [0])
    assert job.result() == "done"


def test_stopped_call_stops_following_while_the_work_continues(call: Call) -> None:
    release = threading.Event()
    job: Job[int, bool] = Job(name="work", progress=0)
    job.start(lambda: release.wait(60))
    heard = job.follow(call)
    next(heard)
    call.stop(Cancelled("gone"))
    with pytest.raises(Cancelled):
        list(heard)
    assert not job.done()
    release.set()
    job.join()


def test_unexpected_error_of_a_job_stays_in_the_log(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    job: Job[int, float] = Job(name="work", progress=0)
    job.start(lambda: 1 / 0)
    list(job.follow(call))
    with pytest.raises(SidecarError) as failure:
        job.result()
    assert failure.value.code == "internal"
    assert "division" not in failure.value.detail
    job.join()
    assert "ZeroDivisionError" in caplog.text


def test_readers_of_a_growing_file_get_its_failure(tmp_path: Path) -> None:
    with Scratch(tmp_path).partial_create() as partial:
        growing = GrowingFile(partial.descriptor)
        with suppress(SourceFailed), growing:
            growing.write(b"some")
            assert growing.available(offset=0, stopped=lambda: False) == 4
            raise SourceFailed("the disk fails")
        with pytest.raises(SourceFailed, match="the disk fails"):
            growing.available(offset=4, stopped=lambda: False)
        with pytest.raises(SourceFailed, match="the disk fails"):
            growing.open()


def test_readers_of_a_growing_file_wait_for_its_end(tmp_path: Path) -> None:
    with Scratch(tmp_path).partial_create() as partial:
        growing = GrowingFile(partial.descriptor)
        told: list[int] = []
        reader = threading.Thread(target=lambda: told.append(growing.available(offset=0, stopped=lambda: False)))
        reader.start()
        with growing:
            pass
        reader.join(10)
        assert told == [0]
        assert growing.open() is None
