"""The two processes of a run, both forked: a worker that takes one task, and the sidecar's daemon."""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any
from uuid import UUID

from django.db import connections

from backups.services import sidecars
from backups.work import exchange_outcome
from operations.work import lease
from operations.work import run as work_run
from sidecar.archive import tree_reader
from sidecar.config import config_read
from sidecar.daemon.server import serve, signals_hold
from tests.chaos.edits import TOUCHES, inode_pass_on
from tests.chaos.faults import Fault, Injection
from tests.chaos.user import hand_over, user_become
from tests.processes.waiting import wait_until
from trees import trust
from trees.filesystem import Filesystem
from trees.local import file as local_file
from trees.source import SourceEntry

FIRED = "scripted at a step of the data volume: "
"""The mark in a run's log of a fault that occurred in the sidecar."""
PACKING = ("inodes", *TOUCHES)
HANGS_SECONDS = 60.0
BEAT_SECONDS = 0.02
WAIT_SECONDS = 0.2


class Hangs(AssertionError):
    """A process did not end in time."""


@dataclass(frozen=True, slots=True)
class StepFault:
    """A fault at one step of the daemon's changes to the data volume: `die`, `full` or `error`.

    The kinds of PACKING occur when it opens a file to read it for a backup. `inodes`: files that share an inode are
    removed, and another file reuses its number. The others change that file: `closed` removes the right to read it.
    """

    kind: str
    at: int


def child_fork(work: Callable[[], object], *, log: Path) -> int:
    """Fork a process for `work`, with its output in `log`; returns its id. It exits with 1 when work raises."""
    connections.close_all()
    sys.stdout.flush()
    sys.stderr.flush()
    gc.freeze()  # a collection in the child would write to the page of every object, and so copy the whole memory
    pid = os.fork()
    if pid:
        gc.unfreeze()
        return pid
    code = 1
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(descriptor, 2)
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - the child must never return into the parent's code
        traceback.print_exc()
    finally:
        logging.shutdown()
        os._exit(code)


def worker_run(operation: UUID, fault: Fault | None, *, log: Path, act: Callable[[str], None]) -> int:
    """Let a worker take a task, and call `act` for each event; returns its exit code, negative when killed.

    Raises Hangs.
    """
    return faulty_run(lambda: work_run.operation_answer(operation), fault, log=log, act=act)


def faulty_run(work: Callable[[], object], fault: Fault | None, *, log: Path, act: Callable[[str], None]) -> int:
    """As `worker_run`, of any work."""
    ours, theirs = socket.socketpair()
    lock = Lock()

    def tell(word: str) -> None:
        with lock:
            theirs.sendall(word.encode() + b"\n")
            if theirs.recv(1) != b"!":
                os._exit(1)

    def run() -> None:
        ours.close()
        Injection(fault, tell).install()
        work()

    pid = child_fork(run, log=log)
    theirs.close()
    ours.settimeout(HANGS_SECONDS)
    try:
        with ours, ours.makefile("r") as words:
            for word in words:
                act(word.strip())
                ours.sendall(b"!")
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        raise Hangs(f"a worker did not end, {fault}") from None
    finally:
        _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def patience_shorten() -> None:
    """Shorten all timeouts to the time that shows that they would have applied."""
    for module, name, value in (
        (lease, "BEAT_SECONDS", BEAT_SECONDS),
        (exchange_outcome, "JOURNAL_WAIT_SECONDS", WAIT_SECONDS),
        (sidecars, "REACH_SECONDS", WAIT_SECONDS),
        (sidecars, "REACH_PAUSE_SECONDS", BEAT_SECONDS),
        (trust, "WRITTEN_BACK_NS", 0),
    ):
        _replace(module, name, value)


def _replace(module: ModuleType, name: str, value: Any) -> None:
    if not hasattr(module, name):
        raise AttributeError(f"{module.__name__} has no {name} any more")
    setattr(module, name, value)


class Sidecar:
    """The daemon of one data root, run by an ordinary user, on a Unix socket."""

    def __init__(self, folder: Path, *, token: str, log: Path) -> None:
        self.root, self.scratch = folder / "world", folder / "scratch"
        self.address = f"unix:{folder}/sidecar.sock"
        self._log = log
        self._config = folder / "sidecar.toml"
        token_file = folder / "token"
        token_file.write_text(token)
        token_file.chmod(0o600)
        values = {
            "data_root": self.root, "scratch": self.scratch, "listen": self.address, "token_file": token_file,
        }  # fmt: skip
        self._config.write_text("".join(f'{key} = "{value}"\n' for key, value in values.items()))
        for made in (self.root, self.scratch):
            made.mkdir()
        hand_over(folder, self.root, self.scratch, token_file)
        self._pid: int | None = None
        self.fault: StepFault | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs; reaps it if it has ended."""
        if self._pid is not None and os.waitpid(self._pid, os.WNOHANG) != (0, 0):
            self._pid = None
        return self._pid is not None

    def start(self, fault: StepFault | None = None) -> bool:
        """Start it, possibly with a fault; returns whether it answers: a fault may end it during recovery."""
        ready, announce = os.pipe()
        self.fault = fault

        def work() -> None:
            os.dup2(announce, 1)
            user_become()
            signals_hold()
            logging.basicConfig(level=logging.INFO, stream=sys.stderr, force=True)
            if fault is not None and fault.kind in PACKING:
                _packing_meet(fault, self.root)
            elif fault is not None:
                _filesystem_break(fault)
            serve(config_read(self._config))

        self._pid = child_fork(work, log=self._log)
        os.close(announce)
        with os.fdopen(ready, "rb") as output:
            return output.readline().startswith(b"listening")

    def stall(self, *, on: bool) -> None:
        """Let it stand still, or go on."""
        if self.alive:
            assert self._pid is not None
            os.kill(self._pid, signal.SIGSTOP if on else signal.SIGCONT)

    def kill(self) -> None:
        """Kill it."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if not self.alive:
            return
        assert self._pid is not None
        os.kill(self._pid, number)
        wait_until(lambda: not self.alive, seconds=HANGS_SECONDS, what="the sidecar's end")


def _packing_meet(fault: StepFault, root: Path) -> None:
    """Change the tree when this process opens one particular file to read it for a backup."""
    opened = 0
    archived, copied = tree_reader.open_for_reading, local_file.entry_open

    def meet(name: bytes, folder: int | None) -> None:
        nonlocal opened
        opened += 1
        if opened == fault.at and (
            inode_pass_on(root) if fault.kind == "inodes" else TOUCHES[fault.kind](name, folder)
        ):
            sys.stderr.write(f"{FIRED}{fault.kind}\n")
            sys.stderr.flush()

    def archive_opening(name: bytes, folder: int) -> int:
        meet(name, folder)
        return archived(name, folder)

    def snapshot_opening(tree: local_file.Openable, entry: SourceEntry) -> tuple[int, os.stat_result]:
        meet(os.fsencode(root) + b"/" + entry.path, None)
        return copied(tree, entry)

    _replace(tree_reader, "open_for_reading", archive_opening)
    _replace(local_file, "entry_open", snapshot_opening)


def _filesystem_break(fault: StepFault) -> None:
    """Count this process's changes to the data volume, and fail one of them."""
    steps = 0

    def wrapped(method: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **options: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == fault.at:
                sys.stderr.write(f"{FIRED}{fault.kind}\n")
                sys.stderr.flush()
                if fault.kind == "die":
                    os.kill(os.getpid(), signal.SIGKILL)
                number = errno.ENOSPC if fault.kind == "full" else errno.EIO
                raise OSError(number, os.strerror(number))
            return method(*args, **options)

        return step

    for name, method in list(vars(Filesystem).items()):
        if not name.startswith("_"):
            setattr(Filesystem, name, wrapped(method))
