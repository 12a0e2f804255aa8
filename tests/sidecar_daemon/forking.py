"""Starts sidecars quickly: a process that has imported the sidecar forks one for each start.

Imports take most of a start, and the tests start thousands. A fork runs the sidecar's own `main`, as a process
of its own with its own configuration, environment and user.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn

PROJECT = Path(__file__).parents[2]
_REQUEST_BYTES = 64 << 10
_NUMBER = struct.Struct("<i")


@dataclass
class Forked:
    """A running or ended sidecar, with the part of `subprocess.Popen` that the tests use."""

    pid: int
    stdout: IO[str]
    stderr: IO[str]
    returncode: int | None = None
    _pid_file: int = -1
    _status: int = -1
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def poll(self) -> int | None:
        """The exit code, negative for the number of a signal; None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("sidecar", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pid_file, number)

    def communicate(self) -> tuple[str, str]:
        """The rest of its output, read until it has ended."""
        said = self.stdout.read(), self.stderr.read()
        self.wait()
        return said

    def _ended(self, timeout: float | None) -> int | None:
        with self._lock:
            if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
                (status,) = _NUMBER.unpack(os.read(self._status, _NUMBER.size))
                self.returncode = os.waitstatus_to_exitcode(status)
                os.close(self._status)
                os.close(self._pid_file)
            return self.returncode


def sidecar_fork(
    *, program: str, anew: bool, arguments: list[str], environment: dict[str, str], user: int | None
) -> Forked:
    """Start a module as a program; its output is to be read from the result.

    `anew`: with nothing imported. `user`: that of the program `sidecar`; others have their own way.
    """
    return _forker().start(program=program, anew=anew, arguments=arguments, environment=environment, user=user)


class _Forker:
    """The process that forks, seen from the tests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __spec__.name, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd=PROJECT,
            )

    def start(self, **request: Any) -> Forked:
        reads, writes = zip(*(os.pipe() for _ in range(3)), strict=True)
        with self._lock:
            socket.send_fds(self._requests, [json.dumps(request).encode()], writes)
            (pid,) = _NUMBER.unpack(self._requests.recv(_NUMBER.size))
        for number in writes:
            os.close(number)
        stdout, stderr = (os.fdopen(number, encoding="utf-8") for number in reads[:2])
        return Forked(pid, stdout, stderr, _pid_file=os.pidfd_open(pid), _status=reads[2])


@cache
def _forker() -> _Forker:
    return _Forker()


def main() -> None:
    """Fork a sidecar for each request, and report how it ended; kill them all when the tests are gone."""
    # Now, and for users that may have no access to the interpreter's folder.
    import encodings.ascii
    import encodings.idna  # noqa: F401

    import sidecar.__main__  # noqa: F401

    requests = socket.socket(fileno=int(sys.argv[1]))
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    gc.freeze()
    running: dict[int, int] = {}
    while True:
        ready = select.select([requests, woken], [], [])[0]
        if woken in ready:
            os.read(woken, 4096)
            _report(running)
        if requests in ready:
            said, files, _, _ = socket.recv_fds(requests, _REQUEST_BYTES, 3)
            if not said:
                break
            if not (pid := os.fork()):
                signal.set_wakeup_fd(-1)
                for number in (requests.detach(), woken, wake, *running.values()):
                    os.close(number)
                _run(json.loads(said), files)
            os.close(files[0])
            os.close(files[1])
            running[pid] = files[2]
            requests.send(_NUMBER.pack(pid))
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def _run(request: dict[str, Any], files: list[int]) -> NoReturn:
    """Be the program, in the place that a new process would have."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, copy in zip(files[:2], (1, 2), strict=True):
        os.dup2(number, copy)
    for number in files:
        os.close(number)
    os.environ.clear()
    os.environ.update(request["environment"])
    program, user = request["program"], request["user"]
    sys.argv = [program, *request["arguments"]]
    if user is not None:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
        if not os.access(sys.executable, os.X_OK):
            sys.executable = "/usr/bin/python3"
    if request["anew"]:
        os.execv(sys.executable, [sys.executable, "-m", *sys.argv])  # noqa: S606  # no shell is wanted
    if program == "sidecar":
        sys.exit(sys.modules["sidecar.__main__"].main())
    runpy.run_module(program, run_name="__main__", alter_sys=True)
    sys.exit()


def _report(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        reporting = running.pop(pid)
        with suppress(BrokenPipeError):
            os.write(reporting, _NUMBER.pack(status))
        os.close(reporting)


if __name__ == "__main__":
    main()
