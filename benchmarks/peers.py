"""The programs that a host would otherwise use: tar through a compressor, into a file and back."""

from __future__ import annotations

import os
import resource
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks.proc import status_mib

LOOK_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a run: wall and processor seconds, and the memory of its largest process."""

    seconds: float
    cpu_seconds: float
    peak_rss_mib: float


@dataclass(frozen=True, slots=True)
class Peer:
    """A compressor behind tar."""

    name: str
    program: str
    pack: tuple[str, ...]
    unpack: tuple[str, ...]

    def full(self, world: Path, archive: Path) -> Cost:
        """Pack a folder into an archive."""
        with archive.open("wb") as output:
            return _pipeline([["tar", "-C", str(world), "-cf", "-", "."], list(self.pack)], output=output)

    def restore(self, archive: Path, target: Path) -> Cost:
        """Unpack an archive into a folder, which is empty."""
        with archive.open("rb") as packed:
            return _pipeline([list(self.unpack), ["tar", "-C", str(target), "-xpf", "-"]], source=packed)


PEERS = (
    Peer("tar_gzip", "gzip", ("gzip", "-6"), ("gzip", "-d")),
    Peer("tar_pigz", "pigz", ("pigz",), ("pigz", "-d")),
    Peer("tar_zstd", "zstd", ("zstd", "-q", "-1", "-T0"), ("zstd", "-q", "-d")),
)


def peers_installed() -> tuple[list[Peer], list[str]]:
    """The peers this machine has, and the names of those that it lacks."""
    here = [peer for peer in PEERS if shutil.which(peer.program)]
    return here, [peer.name for peer in PEERS if peer not in here]


def command_run(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str], accepted: Sequence[int] = (0,)
) -> Cost:
    """Run one command in a folder, from its start to its end; show its output if its exit status is not accepted."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            usage, memory = _watched_end(process, accepted)
        except AssertionError:
            output.seek(0)
            print(output.read().decode(errors="replace"))
            raise
    return Cost(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, memory)


def _pipeline(
    commands: Sequence[list[str]], *, source: IO[bytes] | int = subprocess.DEVNULL, output: IO[bytes] | None = None
) -> Cost:
    began = time.perf_counter()
    running: list[subprocess.Popen[bytes]] = []
    flow: IO[bytes] | int | None = source
    for position, command in enumerate(commands, start=1):
        is_last = position == len(commands)
        process = subprocess.Popen(command, stdin=flow, stdout=output if is_last else subprocess.PIPE)
        running.append(process)
        if position > 1 and running[-2].stdout:
            # Ours would keep the pipe open after the reader's end.
            running[-2].stdout.close()
        flow = process.stdout
    cpu, peak = 0.0, 0.0
    for process in running:
        usage, memory = _watched_end(process)
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, memory)
    return Cost(seconds=time.perf_counter() - began, cpu_seconds=cpu, peak_rss_mib=peak)


def _watched_end(
    process: subprocess.Popen[bytes], accepted: Sequence[int] = (0,)
) -> tuple[resource.struct_rusage, float]:
    """Wait for its end; return its resource usage and its peak of memory in MiB.

    The peak in its rusage would be ours: a child inherits it at the fork.
    """
    memory = 0.0
    descriptor = os.pidfd_open(process.pid)
    try:
        while not select.select([descriptor], [], [], LOOK_SECONDS)[0]:
            with suppress(OSError, LookupError):
                memory = status_mib(process.pid, "VmHWM")
    finally:
        os.close(descriptor)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in accepted, process.args
    return usage, memory
