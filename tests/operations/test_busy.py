"""Busy workers, reported over the pipe."""

from __future__ import annotations

import os

import pytest

from operations.supervision.busy import ACTIVITY_FD, Activity, _begun, _ended


@pytest.fixture
def activity(monkeypatch):
    found = Activity()
    monkeypatch.setenv(ACTIVITY_FD, str(found.write))
    yield found
    found.close()


def test_a_worker_is_busy_from_taking_a_task_to_its_end(activity):
    _begun()
    activity.look()
    assert (activity.busy, activity.answered) == ({os.getpid()}, 0)
    _ended()
    activity.look()
    assert (activity.busy, activity.answered) == (set(), 1)


def test_a_line_that_is_read_in_two_parts_counts_once(activity):
    os.write(activity.write, b"+12")
    activity.look()
    assert activity.busy == set()
    os.write(activity.write, b"34\n")
    activity.look()
    assert activity.busy == {1234}


def test_a_supervisor_that_does_not_read_fails_no_work(activity):
    for _ in range(20_000):
        _begun()
    activity.look()
    assert activity.busy == {os.getpid()}
