"""A data root with three places: the root itself, a mounted volume, and a folder that is bound or linked to."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from demo.comparison import Tree
from sidecar.places.links import LinkRoots
from sidecar.restore.outcome import outcome_read, outcome_release
from sidecar.restore.recovery import extractions_recover
from tests.sidecar_restore.archives import gnu_pack
from tests.sidecar_restore.conftest import OPERATION, Extract
from tests.sidecar_restore.faults import Stepping
from tests.sidecar_restore.mounting import mounted
from tests.sidecar_restore.trees import live, settle, snapshot, write
from wire.enums import Mode, OutcomeKind

FOLDERS = ("", "maps/", "plugins/shared/")
"""The folders of the places, with equal files: the root, the mounted volume, and the bound or linked folder."""


def fill(top: Path, content: bytes, *, extra: str) -> None:
    """Write a state of the data: files that change, one that stays, and one that only this state has."""
    for folder in FOLDERS:
        write(top / folder / "changed", content)
        write(top / folder / "same", b"same")
        write(top / folder / "folder" / "changed", content)
        write(top / folder / f"{extra} folder" / "file", content)
        write(top / folder / extra, content)
        (top / folder / "link").symlink_to(extra)
        os.utime(top / folder / "link", ns=(1_500_000_000_000_000_000,) * 2, follow_symlinks=False)


def tree(root: Path) -> Tree:
    """The data, with followed links; the folder of a place has the time of its last reserved name."""
    found = live(root)
    for folder in FOLDERS[1:]:
        path = os.fsencode(folder.rstrip("/"))
        if stat_is_link(root / folder.rstrip("/")):
            for name, told in snapshot(root / folder).items():
                first = path + b"/" + told.first if told.first else b""
                found[path + b"/" + name] = replace(told, first=first)
        found[path] = replace(found[path], mtime_ns=0)
    return found


def stat_is_link(path: Path) -> bool:
    return path.is_symlink()


@dataclass
class Case:
    """A data root with three places, to restore onto repeatedly."""

    root: Path
    outside: Path
    archive: Path
    mode: Mode
    extract: Extract
    linked: bool
    links: LinkRoots
    steps: int = 0
    old: Tree = field(default_factory=dict)
    new: Tree = field(default_factory=dict)

    def reset(self) -> None:
        for folder in reversed(FOLDERS):
            for path in (self.root / folder).iterdir():
                if path.is_dir() and not path.is_symlink():
                    if not os.path.ismount(path) and path.name != "plugins":
                        shutil.rmtree(path)
                elif not (path.is_symlink() and path.name == "shared"):
                    path.unlink()
        fill(self.root, b"old", extra="old")
        settle(self.root)
        if self.linked:
            settle(self.outside)

    def run(self, **hooks: Callable[[int, str], None]) -> list[str]:
        volume = Stepping(**hooks)
        self.extract(self.archive, self.mode, filesystem=volume, links=self.links)
        return volume.steps

    def recover(self, **hooks: Callable[[int, str], None]) -> list[str]:
        volume = Stepping(**hooks)
        extractions_recover(root=self.root, filesystem=volume, links=self.links)
        return volume.steps

    def ended_as(self) -> OutcomeKind:
        """Check that all places match the journal and hold no leftovers; then make the data old again."""
        kind = outcome_read(root=self.root, operation=OPERATION).kind
        assert kind is not OutcomeKind.RUNNING
        assert tree(self.root) == (self.new if kind is OutcomeKind.COMPLETED else self.old)
        if kind is not OutcomeKind.NONE:
            assert [path.name for path in (self.root / ".savepoint" / OPERATION).iterdir()] == ["journal"]
            outcome_release(root=self.root, operation=OPERATION, links=self.links)
        for folder in FOLDERS:
            assert not (self.root / folder / ".savepoint").exists()
        if kind is OutcomeKind.COMPLETED:
            self.reset()
        return kind

    def ended_without(self, *places: bytes) -> None:
        """Check that these places are old and all others new; then make the data old again."""
        expected = {path: told for path, told in self.new.items() if not within(path, places)}
        expected |= {path: told for path, told in self.old.items() if within(path, places)}
        found = tree(self.root)
        assert found == expected
        outcome_release(root=self.root, operation=OPERATION, links=self.links)
        assert not list(self.root.rglob(".savepoint"))
        self.reset()


def within(path: bytes, places: tuple[bytes, ...]) -> bool:
    return any(path == place or path.startswith(place + b"/") for place in places)


@contextmanager
def placed(place: Path, extract: Extract, mode: Mode, *, linked: bool, outside: Path) -> Iterator[Case]:
    """A case with `outside` as its third place; `place` holds the data root."""
    root = place / "root"
    outside.mkdir(parents=True)
    (root / "maps").mkdir()
    (root / "plugins").mkdir()
    with ExitStack() as stack:
        stack.enter_context(mounted("-t", "tmpfs", "-o", "mode=755", "none", at=root / "maps"))
        if linked:
            (root / "plugins" / "shared").symlink_to(outside)
        else:
            (root / "plugins" / "shared").mkdir()
            stack.enter_context(mounted("--bind", outside, at=root / "plugins" / "shared"))
        world = place / "world"
        fill(world, b"new", extra="new")
        settle(world)
        archive = gnu_pack(world, place / "a.tar.gz", "pax")
        roots = LinkRoots([outside.parent] if linked else [])
        case = Case(root, outside, archive, mode, extract, linked, roots)
        case.reset()
        case.old = tree(root)
        case.steps = len(case.run())
        case.new = tree(root)
        outcome_release(root=root, operation=OPERATION, links=roots)
        case.reset()
        assert tree(root) == case.old
        yield case


def dies_in_the_exchange(steps: int) -> Callable[[int, str], None]:
    moved = 0

    def act(_step: int, name: str) -> None:
        nonlocal moved
        moved += name in ("move", "exchange")
        if moved == steps:
            os.kill(os.getpid(), signal.SIGKILL)

    return act
