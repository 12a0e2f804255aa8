"""`make demo` in a fresh clone of the project."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from demo.client import Client, Unreachable
from demo.processes import ROOT
from tests.processes.portal import port_free
from tests.processes.tree import descendants_of, is_alive, line_of, parent_of, processes_of
from tests.processes.waiting import wait_until

READY_SECONDS = 90
STOP_SECONDS = 30
BACK_SECONDS = 5


@contextmanager
def demo(home: Path, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """The demo as `make demo` starts it, unprepared; killed at the end if it still runs."""
    settings = {"PATH": os.environ["PATH"], "SAVEPOINT_HOME": str(home), "SAVEPOINT_PORT": str(port_free()), **environ}
    command = [sys.executable, "manage.py", "demo"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        started = descendants_of(process.pid)
        process.kill()
        process.communicate()
        wait_until(lambda: not any(map(is_alive, started)), seconds=STOP_SECONDS, what="the end of its processes")


@contextmanager
def demo_ready(home: Path, *, seconds: float = READY_SECONDS, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """A demo that has written its demo.json; a killed one may have left an older file."""
    (home / "demo.json").unlink(missing_ok=True)
    with demo(home, **environ) as process:

        def decided() -> bool:
            return (home / "demo.json").exists() or process.poll() is not None

        wait_until(decided, seconds=seconds, what="demo.json")
        assert process.poll() is None, process.communicate()[0]
        yield process


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all tests: a restarted demo finds its earlier data."""
    return tmp_path_factory.mktemp("demo") / "home"


@pytest.fixture(scope="module")
def running(home: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    with demo_ready(home) as process:
        yield process, json.loads((home / "demo.json").read_text())


def test_with_exit_asked_for_it_proves_the_main_job_and_stops(home: Path) -> None:
    with demo(home, SAVEPOINT_DEMO_EXIT="1") as process:
        said, _ = process.communicate(timeout=READY_SECONDS)
        assert process.returncode == 0, said
        assert "every name, byte, mode, time and link is right" in said
        assert "the schedule “Each night” ran: Every day at" in said
        assert "Protected: backed up" in said
        assert "Nothing is left running." in said
        assert processes_of(home) == {}


def test_demo_json_says_all_that_a_program_needs(running: tuple[subprocess.Popen[str], dict[str, Any]]) -> None:
    _, found = running
    assert set(found) == {"url", "data_root", "order", "provision", "users", "no_sidecar"}
    assert set(found["users"]) == {"customer", "other", "member", "staff"}
    assert (Path(found["data_root"]) / "world/level.dat").is_file()
    other = found["users"]["other"]
    seen = {role: orders_seen(found, role) for role in found["users"]}
    assert seen == {
        "customer": {found["order"], found["no_sidecar"]["order"]},
        "other": {other["order"]},
        "member": {found["order"]},
        "staff": {found["order"], found["no_sidecar"]["order"], other["order"]},
    }


def test_first_order_has_a_past(running: tuple[subprocess.Popen[str], dict[str, Any]]) -> None:
    _, found = running
    client = Client(found["url"], found["users"]["customer"]["token"])
    protection = client.call("GET", f"orders/{found['order']}/protection/").json
    assert protection["state"] == "protected"
    assert {day["state"] for day in protection["days"]} == {"ok", "warnings", "failed", "overdue", "quiet"}
    schedules = client.call("GET", f"orders/{found['order']}/provisions/{found['provision']}/schedules/").json
    assert [schedule["name"] for schedule in schedules["results"]] == ["Each night"]


def orders_seen(found: dict[str, Any], role: str) -> set[str]:
    client = Client(found["url"], found["users"][role]["token"])
    return {order["id"] for order in client.call("GET", "orders/").json["results"]}


def test_a_restart_keeps_logins_orders_and_backups(
    home: Path, running: tuple[subprocess.Popen[str], dict[str, Any]]
) -> None:
    _, found = running
    client = Client(found["url"], found["users"]["customer"]["token"])
    path = f"orders/{found['order']}/provisions/{found['provision']}/backups/"
    # Another test made the first start; its proof was removed when this start wrote its own.
    assert [backup["status"] for backup in client.call("GET", path).json["results"]] == ["ready"]
    assert json.loads((home / "secrets/demo-logins.json").read_text())["staff"] == found["users"]["staff"]


def test_every_process_has_the_home_in_its_environment(
    home: Path, running: tuple[subprocess.Popen[str], dict[str, Any]]
) -> None:
    process, _ = running
    assert descendants_of(process.pid) | {process.pid} == set(processes_of(home))
    lines = " ".join(processes_of(home).values())
    assert all(name in lines for name in ("manage.py demo", "manage.py serve", "manage.py worker", "-m sidecar"))


KINDS = {
    "the sidecar": ["sidecar", "demo"],
    "the web server": ["serve", "demo"],
    "a web process": ["serve", "serve", "demo"],
    "the supervisor": ["worker", "demo"],
    "the cluster": ["qcluster", "worker", "demo"],
    "its sentinel": ["qcluster", "qcluster", "worker", "demo"],
    "a queue worker": ["qcluster", "qcluster", "qcluster", "worker", "demo"],
}
"""Processes that may be killed: the commands of a process, of its parent, and so on."""


def kind_of(pid: int) -> list[str]:
    command = re.search(r"manage\.py (\w+)(?: --skip-checks)?$|-m (sidecar)", line_of(pid))
    if command is None or "common.parent_death" in line_of(pid):
        return []
    name = command[1] or command[2]
    return [name] if name == "demo" else [name, *kind_of(parent_of(pid))]


@pytest.mark.parametrize("kind", KINDS)
def test_killed_process_is_back_within_five_seconds(
    home: Path, running: tuple[subprocess.Popen[str], dict[str, Any]], kind: str
) -> None:
    _, found = running

    def alive(kind: str = kind) -> set[int]:
        with suppress(OSError):
            return {pid for pid in processes_of(home) if kind_of(pid) == KINDS[kind]}
        return set()

    wait_until(
        lambda: all(map(alive, KINDS)), seconds=READY_SECONDS, what="all are there after the kill before this one"
    )
    before = alive()
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(alive() - {victim}) >= len(before), seconds=BACK_SECONDS, what=f"{kind} is back")
    wait_until(lambda: answers(found["url"], "/livez"), seconds=BACK_SECONDS, what="the portal answers")


def test_after_all_that_a_backup_still_works(running: tuple[subprocess.Popen[str], dict[str, Any]]) -> None:
    _, found = running
    client = Client(found["url"], found["users"]["customer"]["token"])
    path = f"orders/{found['order']}/provisions/{found['provision']}/backups/"
    wait_until(lambda: answers(found["url"], "/healthz"), seconds=READY_SECONDS, what="all is healthy again")
    made = client.call("POST", path, {})
    assert made.status == 202, made

    def ready() -> bool:
        status = client.call("GET", f"{path}{made.json['id']}/").json["status"]
        assert status in ("creating", "ready")
        return status == "ready"

    wait_until(ready, seconds=READY_SECONDS, what="the backup is ready")


def answers(url: str, path: str) -> bool:
    with suppress(Unreachable):
        return Client(url, "").call("GET", path).status == 200
    return False


def test_a_second_demo_in_the_same_home_is_refused_in_one_line(
    home: Path, running: tuple[subprocess.Popen[str], dict[str, Any]]
) -> None:
    with demo_refused(home) as said:
        assert "another demo runs in" in said
    assert (home / "demo.json").exists()


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with demo_refused(tmp_path / "home", SAVEPOINT_PORT=port) as said:
            assert f"port {port}: it is in use" in said
    assert processes_of(tmp_path / "home") == {}


def test_the_demo_json_of_a_killed_demo_goes_when_the_next_one_starts(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken, demo(home, SAVEPOINT_PORT=str(taken.getsockname()[1])) as one:
        (home / "demo.json").write_text("{}")
        one.communicate(timeout=READY_SECONDS)
    assert not (home / "demo.json").exists()


@contextmanager
def demo_refused(home: Path, **environ: str) -> Iterator[str]:
    with demo(home, **environ) as process:
        said, _ = process.communicate(timeout=READY_SECONDS)
    assert process.returncode == 1, said
    assert said.count("\n") == 1, said
    yield said


def test_a_demo_that_is_killed_leaves_nothing_for_long(
    home: Path, running: tuple[subprocess.Popen[str], dict[str, Any]]
) -> None:
    process, _ = running
    process.kill()
    assert process.wait(STOP_SECONDS) == -signal.SIGKILL
    wait_until(lambda: not processes_of(home), seconds=STOP_SECONDS, what="the end of all its processes")


def test_sigterm_ends_every_process_and_a_second_one_changes_nothing(home: Path) -> None:
    with demo_ready(home) as process:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=STOP_SECONDS)
        assert process.returncode == 0, said
        assert processes_of(home) == {}
