"""A daemon as an operator runs it: a process, a configuration file, two folders."""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import grpc

from sidecar_client.channel import channel_open
from sidecar_client.client import Address, SidecarClient, Ticket, Timeouts
from sidecar_client.methods import Methods
from tests.sidecar_daemon.forking import Forked, sidecar_fork

PATIENCE_SECONDS = 20.0
PROJECT = Path(__file__).parents[2]


def eventually(condition: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> bool:
    """Wait for the condition; False when time runs out."""
    end = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > end:
            return False
        pause.wait(0.01)
    return True


def any_operation() -> str:
    return str(uuid.uuid4())


@dataclass
class Daemon:
    program: ClassVar[str] = "sidecar"
    anew: ClassVar[bool] = False
    folder: Path
    listen: str = "127.0.0.1:0"
    drain_seconds: float = 5.0
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    address: str = ""
    game: dict[str, object] = field(default_factory=dict)
    follow_links_into: list[str] = field(default_factory=list)
    read_bytes_a_second: int = 0
    volumes: str = ""
    user: int | None = None
    process: Forked | None = None
    log: list[str] = field(default_factory=list)
    _logging: threading.Thread = field(default_factory=threading.Thread)

    @property
    def world(self) -> Path:
        return self.folder / "world"

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    def write_config(self, **changes: object) -> Path:
        self.world.mkdir(exist_ok=True, parents=True)
        token_file = self.folder / "token"
        token_file.write_text(self.token + "\n")
        token_file.chmod(0o600)
        values = {
            "data_root": str(self.world),
            "scratch": str(self.scratch),
            "listen": self.listen,
            "token_file": str(token_file),
            "drain_seconds": self.drain_seconds,
            "follow_links_into": self.follow_links_into,
            "read_bytes_a_second": self.read_bytes_a_second,
            "volumes": self.volumes,
        } | changes
        config = self.folder / "sidecar.toml"
        config.write_text(_table(values) + ("[game]\n" + _table(self.game) if self.game else ""))
        return config

    @property
    def arguments(self) -> list[str]:
        return ["--config", str(self.folder / "sidecar.toml")]

    def start(self) -> None:
        self.write_config()
        self.process = sidecar_fork(
            program=self.program,
            anew=self.anew,
            arguments=self.arguments,
            environment=_environment(),
            user=self.user,
        )
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), self.process.communicate()[1]
        self.address = line.removeprefix("listening on ").strip()
        self._logging = threading.Thread(target=self._keep_log, args=(self.process,), daemon=True)
        self._logging.start()

    def _keep_log(self, process: Forked) -> None:
        with process.stderr as lines:
            self.log.extend(lines)

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for the process to end; returns its exit code."""
        assert self.process is not None
        code = self.process.wait(PATIENCE_SECONDS)
        self.process.stdout.close()
        self._logging.join(PATIENCE_SECONDS)
        return code

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.wait() == -signal.SIGKILL

    def close(self) -> None:
        """End the process in any state."""
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.wait()

    def client(
        self,
        operation: str | None = None,
        *,
        fence: int = 1,
        token: str | None = None,
        timeouts: Timeouts | None = None,
    ) -> SidecarClient:
        return SidecarClient(
            address=self.address,
            token=token or self.token,
            ticket=Ticket(operation=operation or any_operation(), fence=fence),
            timeouts=timeouts,
        )

    @contextmanager
    def channel(self) -> Iterator[grpc.Channel]:
        channel = channel_open(address=Address(target=self.address, token=self.token))
        with channel:
            yield channel

    @contextmanager
    def calls(self) -> Iterator[Methods]:
        """The methods of the wire, without the client around them."""
        with self.channel() as channel:
            yield Methods(channel)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),)

    def left_in_scratch(self) -> list[str]:
        return sorted(path.name for folder in ("files", "partial") for path in (self.scratch / folder).iterdir())

    def peak_memory_mib(self) -> float:
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024


def _environment() -> dict[str, str]:
    # An environment of its own: of the test session's, only the variables by which Python finds its modules.
    return {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG", "VIRTUAL_ENV")}


def _table(values: dict[str, object]) -> str:
    return "".join(f"{key} = {_toml(value)}\n" for key, value in values.items() if value is not None)


def _toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
