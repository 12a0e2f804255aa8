"""Entries that the system does not let anyone change: a restore leaves and names them, or fails with the path."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sidecar_client.errors import SidecarFailed
from tests.services.require import program_require
from tests.sidecar_daemon.daemon import Daemon, any_operation
from tests.sidecar_daemon.games import OUTPUT, ScriptedServer, stream
from wire.enums import OutcomeKind

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(os.geteuid() != 0, reason="entries of another owner are root's to make"),
]

STRANGER = 65534
MARK = "game-was-stopped"


@dataclass(frozen=True)
class Case:
    """A world after its backup and after `hazard`: a restore fails at `path`, or reports that `stays` stay."""

    hazard: Callable[[Path], object]
    path: str = ""
    errno: str = "EPERM"
    user: int | None = None
    stays: tuple[str, ...] = ()


def flagged(flag: str, *names: str, then: Callable[[Path], object] = lambda _: None) -> Callable[[Path], object]:
    """Change the world, then set a flag of chattr(1) on some of its entries."""

    def act(world: Path) -> None:
        then(world)
        chattr = program_require("chattr", package="e2fsprogs")
        for name in names:
            subprocess.run([chattr, flag, world / name], check=True)

    return act


def changed(name: str) -> Callable[[Path], object]:
    return lambda world: (world / name).write_bytes(b"other content")


def moded(name: str, mode: int) -> Callable[[Path], object]:
    return lambda world: (world / name).chmod(mode)


def owned(name: str, mode: int, *, then: Callable[[Path], object] = lambda _: None) -> Callable[[Path], object]:
    """Give an entry to root, with this mode."""

    def act(world: Path) -> None:
        then(world)
        os.chown(world / name, 0, 0)
        (world / name).chmod(mode)

    return act


def frozen_extra(world: Path) -> None:
    (world / "extra").mkdir()
    (world / "extra" / "file").touch()
    flagged("+i", "extra/file")(world)


CASES = {
    "unchanged empty folder of root": Case(owned("empty", 0o755), user=STRANGER),
    "folder of root that all may write": Case(owned("shared", 0o777, then=changed("shared/file")), user=STRANGER),
    "file of root whose mode differs": Case(owned("folder/file", 0o604), user=STRANGER),
    "folder of root, file in it changed": Case(
        owned("folder", 0o755, then=changed("folder/file")), user=STRANGER, stays=("folder/file",)
    ),
    "folder of root whose mode differs": Case(owned("empty", 0o775), user=STRANGER, stays=("empty",)),
    "unchanged immutable folder": Case(flagged("+i", "empty")),
    "unchanged append-only folder": Case(flagged("+a", "folder")),
    "unchanged immutable file": Case(flagged("+i", "folder/file")),
    "immutable folder whose mode differs": Case(flagged("+i", "empty", then=moded("empty", 0o700)), stays=("empty",)),
    "immutable folder, file in it changed": Case(
        flagged("+i", "folder", then=changed("folder/file")), stays=("folder/file",)
    ),
    "append-only folder, name missing": Case(
        flagged("+a", "folder", then=lambda world: (world / "folder" / "file").unlink()), stays=("folder/file",)
    ),
    "immutable file whose mode differs": Case(
        flagged("+i", "folder/file", then=moded("folder/file", 0o600)), stays=("folder/file",)
    ),
    "append-only file whose mode differs": Case(
        flagged("+a", "folder/file", then=moded("folder/file", 0o600)), stays=("folder/file",)
    ),
    "immutable file whose time differs": Case(
        flagged("+i", "folder/file", then=lambda world: os.utime(world / "folder" / "file", (1, 1))),
        stays=("folder/file",),
    ),
    "immutable file that changed": Case(
        flagged("+i", "folder/file", then=changed("folder/file")), stays=("folder/file",)
    ),
    "immutable file in a folder that goes": Case(frozen_extra, stays=("extra", "extra/file")),
    "immutable root": Case(flagged("+i", "."), ".savepoint"),
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory that users other than root can reach."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        Path(name).chmod(0o755)
        yield Path(name)
        if shutil.which("chattr"):
            subprocess.run(["chattr", "-R", "-f", "-i", "-a", name], check=False)


@pytest.fixture
def daemon(folder: Path) -> Iterator[Daemon]:
    daemon = Daemon(folder)
    yield daemon
    daemon.close()
    assert not any("Traceback" in line for line in daemon.log), "".join(daemon.log)


def set_up(daemon: Daemon, *, user: int | None) -> ScriptedServer:
    """Set up a world with its backup in scratch, and a running game beside it."""
    world, game = daemon.world, ScriptedServer(daemon.folder)
    (world / "empty").mkdir(parents=True)
    for name in ("folder", "shared"):
        (world / name).mkdir()
        (world / name / "file").write_bytes(b"content")
    (world / "shared").chmod(0o777)
    (world / "live").write_text("new")
    game.runs.touch()
    daemon.game, daemon.user = game.control(), user
    daemon.write_config()
    if user is not None:
        for path in [daemon.folder, *daemon.folder.rglob("*")]:
            os.chown(path, user, user)
    daemon.start()
    with daemon.client() as client, stream(client, quiesce=False) as packing:
        for _ in packing:
            pass
    (world / "live").write_text("old")
    return game


def restored(daemon: Daemon, operation: str) -> tuple[SidecarFailed | None, list[str]]:
    """Restore; returns the error, or the paths reported as left. Asserts that no leftovers exist."""
    with daemon.client(operation) as client:
        failure, stays = None, []
        try:
            done = client.archive_extract(
                source=OUTPUT, destination="/data", mode="replace", on_progress=lambda _: None, cancelled=lambda: False
            )
            stays = [os.fsdecode(warning.path) for warning in done.staying]
        except SidecarFailed as error:
            failure = error
        kind = client.extract_outcome().kind
        assert kind in ([OutcomeKind.COMPLETED] if failure is None else [OutcomeKind.ROLLED_BACK, OutcomeKind.NONE])
        client.extract_release()
        assert client.extract_outcome().kind is OutcomeKind.NONE
    return failure, stays


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_restore_ends_with_the_path_and_the_game_up(daemon: Daemon, case: Case) -> None:
    game = set_up(daemon, user=case.user)
    case.hazard(daemon.world)

    failure, stays = restored(daemon, any_operation())

    assert game.runs.exists()
    assert not (daemon.scratch / MARK).exists()
    live = daemon.world / "live"
    if not case.path:
        assert failure is None
        assert live.read_text() == "new"
        assert sorted(stays) == list(case.stays)
        assert not (daemon.world / ".savepoint").exists()
        return
    assert failure is not None
    assert (failure.code, failure.params) == ("source_failed", {"path": case.path, "errno": case.errno})
    assert live.read_text() == "old"


@pytest.mark.parametrize(
    "name",
    ["immutable file that changed", "immutable file in a folder that goes", "immutable folder whose mode differs"],
)
def test_later_restore_works_once_the_entry_may_change(daemon: Daemon, name: str) -> None:
    set_up(daemon, user=None)
    CASES[name].hazard(daemon.world)
    restored(daemon, any_operation())
    subprocess.run(["chattr", "-R", "-i", daemon.world], check=True)
    (daemon.world / "live").write_text("old")

    assert restored(daemon, any_operation()) == (None, [])

    assert (daemon.world / "live").read_text() == "new"
    assert (daemon.world / "folder" / "file").read_bytes() == b"content"
    assert not (daemon.world / ".savepoint").exists()
