"""The operator's commands: their environment, their output, and their end."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sidecar.game.commands import command_run
from sidecar.game.errors import GameError


def run(*argv: str, timeout: float = 20.0) -> int:
    return command_run(argv, timeout=timeout)


def alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("code", [0, 1, 3, 125])
def test_the_exit_code_comes_back(code: int) -> None:
    assert run("sh", "-c", f"exit {code}") == code


def test_there_is_no_shell_between(tmp_path: Path) -> None:
    assert run("touch", f"{tmp_path}/a b; $HOME *") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a b; $HOME *"]


def test_a_program_gets_little_of_the_environment_and_nothing_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAVEPOINT_SECRET", "s3cret")
    script = f"env > {tmp_path}/env; pwd > {tmp_path}/pwd; ls -l /proc/self/fd > {tmp_path}/open; cat"
    assert run("sh", "-c", script) == 0
    names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert "PATH" in names
    # Variables that a shell sets by itself, or Python without a locale, are not the daemon's.
    assert names <= {"PATH", "HOME", "LANG", "USER", "XDG_RUNTIME_DIR", "PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}
    assert (tmp_path / "pwd").read_text() == "/\n"


def test_a_program_can_be_ended_by_the_signals_that_the_daemon_holds_back(tmp_path: Path) -> None:
    def blocked() -> int:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        # No shell: some shells reset the signal mask themselves.
        return run("sed", "-n", f"/SigBlk/w {tmp_path}/mask", "/proc/self/status")

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(blocked).result() == 0
    assert int((tmp_path / "mask").read_text().split()[1], 16) == 0


def test_a_program_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    began = time.monotonic()
    script = f"sleep 600 & echo $! > {tmp_path}/child; echo waiting; wait"
    with pytest.raises(GameError, match="longer than 1 s and was killed: 'waiting'"):
        run("sh", "-c", script, timeout=1)
    assert time.monotonic() - began < 10
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while alive(child) and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert not alive(child)


def test_a_server_that_a_program_leaves_behind_is_not_waited_for_and_lives(tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/server"
    began = time.monotonic()
    assert command_run(("sh", "-c", script), timeout=20.0, detaching=True) == 0
    assert time.monotonic() - began < 10
    server = int((tmp_path / "server").read_text())
    try:
        assert alive(server)
        assert os.getsid(server) != os.getsid(0)
    finally:
        os.kill(server, signal.SIGKILL)


def test_output_is_logged_in_part_when_something_is_wrong(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert run("sh", "-c", "echo fine") == 0
    assert caplog.text == ""
    assert run(sys.executable, "-c", "print('no\\nway', flush=True); print('x' * 10_000_000); raise SystemExit(4)") == 4
    (record,) = caplog.records
    assert "ended with 4: 'no\\nway" in record.getMessage()
    assert len(record.getMessage()) < 3000


def test_a_program_that_is_not_there_is_an_exit_code_that_no_program_has(tmp_path: Path) -> None:
    assert run(str(tmp_path / "gone")) >= 126
