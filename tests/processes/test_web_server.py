"""The web server: stalled downloads occupy nothing forever, and it stops when asked to."""

from __future__ import annotations

import select
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from config.front import BODY_AT_ONCE_SECONDS
from config.web_server import STALLED_SECONDS, STOP_SECONDS, AddressUnavailable, listener_open
from demo.processes import ROOT
from tests.processes.portal import Portal, portal
from tests.processes.tree import processes_of
from tests.processes.waiting import wait_until

WORLD_MEGABYTES = 40
"""More than the kernel and the server buffer for a client that reads nothing."""


def test_the_server_ends_in_time_although_a_download_stalls(tmp_path: Path) -> None:
    with portal(tmp_path / "home", megabytes=WORLD_MEGABYTES) as running:
        backup = running.backup()
        with running.open(f"assets/{backup['asset_id']}/") as stalled:
            assert stalled.read(1) == b"\x1f"
            running.kill("web", signal.SIGTERM)
            web = running.children["web"]
            wait_until(lambda: web.ended is not None, seconds=STOP_SECONDS + 5, what="the web server's end")
            assert web.ended == 0


def test_no_answer_leaves_a_connection_to_the_database(tmp_path: Path) -> None:
    """An answer sent in pieces by several threads, and one whose client left before its body."""
    with portal(tmp_path / "home", megabytes=1) as running:
        asset = f"assets/{running.backup()['asset_id']}/"

        def download(_: int) -> int:
            with running.open(asset) as answer:
                return len(answer.read())

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(download, range(32)))
        wait_until(lambda: not databases_open(running), seconds=10, what="the end of the downloads' connections")

        host, port = running.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as late:
            late.sendall(late_head(running).encode())
            assert not select.select([late], [], [], 5 * BODY_AT_ONCE_SECONDS)[0], "it waits for the body"
        wait_until(lambda: not databases_open(running), seconds=10, what="the end of the late one's connection")


def late_head(running: Portal) -> str:
    return (
        f"POST /api/v1/{running.backups} HTTP/1.1\r\nHost: {running.url.removeprefix('http://')}\r\n"
        f"Authorization: Bearer {running.token}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"
    )


def databases_open(running: Portal) -> list[Path]:
    """The database files that the web server's processes have open."""
    found, servers = [], [pid for pid, line in processes_of(running.home).items() if line.endswith("serve")]
    assert len(servers) > 1
    for path in (path for pid in servers for path in Path(f"/proc/{pid}/fd").iterdir()):
        with suppress(OSError):
            found.append(path.readlink())
    return [path for path in found if "sqlite3" in path.name]


def test_stalled_reader_is_disconnected_after_a_while() -> None:
    with listener_open("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        listener.setblocking(True)
        accepted, _ = listener.accept()
        with accepted:
            timeout = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert timeout == STALLED_SECONDS * 1000


def test_accepted_sockets_send_without_delay() -> None:
    with listener_open("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        listener.setblocking(True)
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_that_is_taken_or_unknown_is_said_in_one_line() -> None:
    with listener_open("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(AddressUnavailable, match=rf"cannot listen on 127\.0\.0\.1 port {port}: it is in use\."):
            listener_open("127.0.0.1", port)
    with pytest.raises(AddressUnavailable, match=r"cannot listen on 192\.0\.2\.1 port 1: "):
        listener_open("192.0.2.1", 1)


def test_a_second_server_at_the_same_address_does_not_start(local_portal: Portal) -> None:
    web = local_portal.children["web"]
    second = subprocess.run(
        [sys.executable, *web.program.arguments],
        cwd=ROOT,
        env=dict(web.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert second.returncode == 1
    assert second.stderr.endswith("it is in use.\n")
    assert second.stderr.count("\n") == 1
    assert local_portal.api("GET", "/livez").status == 200
