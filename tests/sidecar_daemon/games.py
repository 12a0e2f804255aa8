"""Game servers beside a daemon: their configuration, and packing while they run."""

# ruff: noqa: S108 - /tmp is a name on the wire, not this machine's folder

from __future__ import annotations

import io
import os
import signal
import subprocess
import tarfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sidecar_client.client import ArchiveResult, ArchiveStream, SidecarClient
from tests.sidecar_daemon.daemon import Daemon
from tests.sidecar_game.rcon_server import PASSWORD, RconServer

OUTPUT = "/tmp/backup.tar.gz"
FIRST, LAST = "a/first.dat", "z/last.dat"
START = "sleep 600 >/dev/null 2>&1 & echo $! > game.pid"
HELD_ONCE = ["save-off", "save-all flush", "save-on"]


def world(daemon: Daemon, *, content: bytes = b"not written yet") -> None:
    """Write two files that are read first and last, with much data between them."""
    write(daemon, content)
    (daemon.world / "m").mkdir(exist_ok=True)
    for number in range(20):
        (daemon.world / "m" / str(number)).write_bytes(bytes(1 << 20))


def write(daemon: Daemon, content: bytes) -> None:
    """Write both files, as a game that saves everything."""
    for name in (FIRST, LAST):
        path = daemon.world / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


def minecraft(daemon: Daemon, rcon: RconServer, **more: object) -> None:
    """Configure the RCON server as the daemon's game."""
    password = daemon.folder / "rcon password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    daemon.game = {"profile": "minecraft-java", "rcon": rcon.where, "rcon_password_file": str(password)} | more


def stream(client: SidecarClient, *, quiesce: bool = True, output: str = OUTPUT) -> ArchiveStream:
    return client.archive_stream(
        source="/data", output=output, quiesce=quiesce, on_progress=lambda _: None, cancelled=lambda: False
    )


def packed(daemon: Daemon, *, quiesce: bool = True) -> tuple[ArchiveResult, dict[str, bytes]]:
    """Pack the data; returns the result, and the content of the first and the last file."""
    with daemon.client() as client, stream(client, quiesce=quiesce) as packing:
        data = b"".join(packing)
        result = packing.result
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        files = {name: archive.extractfile(name) for name in (FIRST, LAST)}
        return result, {name: file.read() for name, file in files.items() if file is not None}


def holds_still(rcon: RconServer) -> bool:
    return rcon.told[-1:] == ["save-all flush"] and not rcon.saving


def marked(daemon: Daemon) -> bool:
    """Whether the daemon has the mark that it must resume the game."""
    return (daemon.scratch / "game-holds-still").exists()


def goes_on(daemon: Daemon, rcon: RconServer) -> bool:
    return rcon.saving and not marked(daemon)


@dataclass
class ScriptedServer:
    """A game server of shell scripts: it runs while a file exists, and logs its starts and stops."""

    folder: Path

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def log(self) -> Path:
        return self.folder / "game.log"

    def logged(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []

    def script(self, text: str) -> list[str]:
        path = self.folder / f"script-{len(list(self.folder.glob('script-*')))}"
        path.write_text(f"cd {self.folder} || exit 99\n{text}\n")
        return ["sh", str(path)]

    def control(
        self,
        *,
        stop: str = "rm -f runs",
        start: str = "touch runs",
        running: str = "test -e runs",
        stop_seconds: float = 20.0,
    ) -> dict[str, object]:
        """The table `[game]`; stop and start also log the live data at that moment."""
        return {
            "profile": "none",
            "stop_command": self.script(f"echo stop $(cat world/live) >> game.log\n{stop}"),
            "start_command": self.script(f"echo start $(cat world/live) >> game.log\n{start}"),
            "running_command": self.script(running),
            "stop_seconds": stop_seconds,
        }


@dataclass
class GameProcess:
    """A game server that is a real process, which the daemon's commands and the test start, stop and kill."""

    script: ScriptedServer

    @property
    def folder(self) -> Path:
        return self.script.folder

    @property
    def pid(self) -> int:
        return int((self.folder / "game.pid").read_text())

    def control(self, *, watch_seconds: float = 0.1, **more: object) -> dict[str, object]:
        """The table `[game]`. The command that asks hangs while the file `hangs` exists."""
        return {
            "profile": "none",
            "stop_command": self.script.script('kill "$(cat game.pid)"'),
            "start_command": self.script.script(START),
            "running_command": self.script.script('test -e hangs && sleep 60\nkill -0 "$(cat game.pid)" 2>/dev/null'),
            "watch_seconds": watch_seconds,
            "timeout_seconds": 5.0,
        } | more

    def start(self) -> None:
        """Start it, as an operator does."""
        subprocess.run(["sh", "-c", START], cwd=self.folder, check=True)

    def kill(self) -> None:
        """Kill it: it crashes."""
        os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """End it in any state."""
        with suppress(OSError):
            self.kill()
