"""An extraction and the release or recovery of another never run together, so none finds half removed folders."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sidecar.calls.calls import Call
from sidecar.errors import Refused
from sidecar.game.flag_file import FlagFile
from sidecar.game.profiles import Profile
from sidecar.game.server import GameServer
from sidecar.game.settings import GameSettings
from sidecar.places.links import LinkRoots
from sidecar.restore import extracting
from sidecar.restore.archive import archive_extract
from sidecar.restore.extracting import Extractions
from sidecar.restore.outcome import outcome_read
from sidecar.restore.workspace.reserved import root_locked
from sidecar.volumes import Volumes
from tests.sidecar_daemon.daemon import PATIENCE_SECONDS, any_operation, eventually
from tests.sidecar_restore.archives import compressed, member
from wire.enums import Mode, OutcomeKind, ServerControl


class Held:
    """A call that waits with the data root locked before it does its work."""

    def __init__(self, work: Callable[..., Any], root: Path) -> None:
        self._work = work
        self._root = root
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, **options: Any) -> Any:
        with root_locked(self._root):
            self.begun.set()
            assert self.go.wait(PATIENCE_SECONDS)
        return self._work(**options)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def extractions(root: Path, tmp_path: Path) -> Extractions:
    server = GameServer(Profile(GameSettings()), FlagFile(tmp_path / "mark"))
    return Extractions(root=root, server=server, links=LinkRoots(), volumes=Volumes(None, like=root))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def extract(
    extractions: Extractions, place: Path, operation: str, *, work: Callable[..., Any] = archive_extract
) -> object:
    archive = compressed(place / "a.tar.gz", member(b"map", b"new"))
    call = Call(operation=operation, fence=1)
    restore = partial(work, archive=archive, mode=Mode.REPLACE)
    *_, (_, summary) = extractions.run(call, restore=restore, server=ServerControl.LEAVE)
    return summary


@pytest.fixture
def held(request: pytest.FixtureRequest, root: Path, monkeypatch: pytest.MonkeyPatch) -> Held:
    held = Held(getattr(extracting, request.param), root)
    monkeypatch.setattr(extracting, request.param, held)
    return held


def is_working(operation: str) -> bool:
    return any(thread.name == f"extracting for {operation}" for thread in threading.enumerate())


@pytest.mark.parametrize("held", ["extractions_recover", "outcome_release"], indirect=True)
def test_extraction_waits_for_a_recovery_or_release(
    extractions: Extractions, pool: ThreadPoolExecutor, held: Held, root: Path, tmp_path: Path, request: Any
) -> None:
    released = request.node.callspec.params["held"] == "outcome_release"
    work = (lambda: extractions.release(operation=any_operation())) if released else extractions.settled
    working = pool.submit(work)
    assert held.begun.wait(PATIENCE_SECONDS)
    operation = any_operation()
    extracted = pool.submit(extract, extractions, tmp_path, operation)
    assert eventually(lambda: is_working(operation) or extracted.done())

    held.go.set()

    working.result(PATIENCE_SECONDS)
    assert extracted.result(PATIENCE_SECONDS)
    assert (root / "map").read_bytes() == b"new"


def test_nothing_is_mended_or_released_under_an_extraction(
    extractions: Extractions, pool: ThreadPoolExecutor, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(archive_extract, root)
    monkeypatch.setattr(extracting, "_RELEASE_WAITS_SECONDS", 0.01)
    operation = any_operation()
    extracted = pool.submit(extract, extractions, tmp_path, operation, work=held)
    assert held.begun.wait(PATIENCE_SECONDS)

    assert not extractions.settled()
    for other in (operation, any_operation()):
        with pytest.raises(Refused):
            extractions.release(operation=other)

    held.go.set()
    assert extracted.result(PATIENCE_SECONDS)
    assert outcome_read(root=root, operation=operation).kind is OutcomeKind.COMPLETED
    extractions.release(operation=operation)
    assert not (root / ".savepoint").exists()
