"""The web server: downloads that stall hold nothing for ever, and the end comes when it is asked for."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from config.web_server import STALLED_SECONDS, STOP_SECONDS, AddressUnavailable, listener_open
from demo.processes import ROOT
from tests.processes.portal import Portal, portal
from tests.processes.waiting import wait_until

WORLD_MEGABYTES = 40
"""More than the kernel and the server hold for a reader that takes nothing."""


def test_the_server_ends_in_time_although_a_download_stalls(tmp_path: Path) -> None:
    with portal(tmp_path / "home", megabytes=WORLD_MEGABYTES) as running:
        backup = running.backup()
        with running.open(f"assets/{backup['asset_id']}/") as stalled:
            assert stalled.read(1) == b"\x1f"
            running.kill("web", signal.SIGTERM)
            web = running.children["web"]
            wait_until(lambda: web.ended is not None, seconds=STOP_SECONDS + 5, what="the web server's end")
            assert web.ended == 0


def test_a_reader_that_takes_nothing_is_let_go_after_a_while() -> None:
    with listener_open("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        listener.setblocking(True)
        accepted, _ = listener.accept()
        with accepted:
            timeout = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert timeout == STALLED_SECONDS * 1000


def test_what_is_accepted_sends_at_once() -> None:
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
