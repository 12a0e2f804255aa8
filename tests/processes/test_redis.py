"""Redis as queue and shared cache: the same job works even when Redis loses all its data."""

from __future__ import annotations

import os
import signal

import redis as client

from tests.processes.portal import portal
from tests.processes.test_portal import download_compare
from tests.processes.tree import processes_of
from tests.services.redis import redis


def send(processes, number):
    for pid in processes:
        os.kill(pid, number)


def test_redis_carries_the_bells_and_may_forget_them(tmp_path):
    (tmp_path / "redis").mkdir()
    with redis(tmp_path / "redis") as url, portal(tmp_path / "home", queue_url=url, workers=1) as running:
        assert download_compare(running, running.backup()) == []

        workers = [pid for pid, line in processes_of(running.home).items() if "qcluster" in line]
        send(workers, signal.SIGSTOP)
        answer = running.api("POST", running.backups, {})
        with client.Redis.from_url(url) as connection:
            assert connection.keys() != []
            connection.flushall()
        send(workers, signal.SIGCONT)
        assert download_compare(running, running.ended(answer.json["id"], seconds=60)) == []
