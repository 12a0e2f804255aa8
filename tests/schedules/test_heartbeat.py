"""The heartbeat of the portal: a monitor outside is pinged while the tick works, and only then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from django.utils import timezone

from operations.models import ChoreRun
from operations.services.chores import chore_answer, chores_request
from tests.factories import ScheduleFactory


class Monitor:
    """A real HTTP server that counts its pings."""

    def __init__(self) -> None:
        self.pings: list[str] = []
        self.status = 200
        monitor = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                monitor.pings.append(self.path)
                self.send_response(monitor.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                """Nothing on the screen."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def monitor(settings) -> Iterator[Monitor]:
    found = Monitor()
    thread = Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    settings.SAVEPOINT_HEARTBEAT_URL = f"{found.origin}/ping/7"
    settings.SAVEPOINT_WEBHOOK_ORIGINS = frozenset({found.origin})
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def tick():
    """One tick and the worker that answers it; the run of the heartbeat."""
    for run in chores_request():
        if ChoreRun.objects.get(id=run).chore == "heartbeat":
            chore_answer(run)
            return ChoreRun.objects.get(id=run)
    return None


def test_each_tick_pings_the_monitor(db, monitor):
    assert tick().done == 1
    assert tick() is None
    ChoreRun.objects.update(requested_at=timezone.now() - timedelta(minutes=1))
    assert tick().done == 1
    assert monitor.pings == ["/ping/7", "/ping/7"]


def test_no_ping_while_due_schedules_are_not_looked_at(db, monitor):
    ScheduleFactory(next_due_at=timezone.now() - timedelta(minutes=11))
    assert tick().done == 0
    assert monitor.pings == []


def test_monitor_that_refuses_fails_the_run_without_naming_the_address(db, monitor, caplog):
    monitor.status = 500
    run = tick()
    assert run.error == "ReceiverRefused"
    assert "ping/7" not in caplog.text


def test_monitor_inside_that_the_operator_did_not_allow_is_not_reached(db, monitor, settings):
    settings.SAVEPOINT_WEBHOOK_ORIGINS = frozenset()
    assert tick().error == "AddressRefused"
    assert monitor.pings == []


def test_without_an_address_nothing_is_sent(db, monitor, settings):
    settings.SAVEPOINT_HEARTBEAT_URL = None
    assert tick().done == 0
    assert monitor.pings == []
