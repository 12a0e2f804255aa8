"""A customer whose real sidecar has low limits, and a folder outside of its data that nothing may change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sidecar_daemon.daemon import Daemon
from tests.world.rental import Rental


class LimitedDaemon(Daemon):
    program = "tests.hostile.limited_daemon"
    anew = True


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    found = LimitedDaemon(tmp_path_factory.mktemp("hostile"))
    (found.world / "world").mkdir(parents=True)
    (found.world / "world" / "level.dat").write_bytes(b"level")
    (found.world / "world" / "region").mkdir()
    (found.world / "world" / "region" / "r.0.0.mca").write_bytes(b"region")
    (found.world / "current").symlink_to("world")
    (found.folder / "outside").mkdir()
    (found.folder / "outside" / "precious").write_bytes(b"precious")
    found.start()
    yield found
    found.close()
    assert not any("Traceback" in line for line in found.log), "".join(found.log)


@pytest.fixture
def rental(db, daemon: Daemon, tmp_path: Path) -> Rental:
    made = Rental.make(tmp_path / "storage")
    made.target.sealed = False
    made.target.save()
    made.reach(daemon.address, token=daemon.token)
    return made
