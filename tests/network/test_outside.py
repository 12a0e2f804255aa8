"""Parts of a data root that lie outside it: mounted volumes, and targets of links."""

# ruff: noqa: F811 - a fixture is found by its name

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.test import Client

from provisions.models import Provision, ProvisionKind
from tests.network.test_staying import Place, place, told  # noqa: F401  # a fixture among them
from tests.services.require import program_require, unavailable
from tests.sidecar_daemon.unprivileged import NOBODY

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@contextmanager
def mounted(*arguments: str | Path, at: Path) -> Iterator[None]:
    mount, umount = (program_require(name, package="mount") for name in ("mount", "umount"))
    if subprocess.run([mount, *arguments, at], check=False, capture_output=True).returncode:
        unavailable("the right to mount")
    try:
        yield
    finally:
        subprocess.run([umount, "--lazy", at], check=True)


@pytest.mark.parametrize("how", ["another volume", "the same volume", "one file"])
def test_mounted_part_is_reported_and_stays(place: Place, how: str, tmp_path: Path) -> None:
    path = place.file("maps/map", b"hidden") if how == "one file" else place.file("maps/map").parent
    shared = place.daemon.folder / "shared"
    shared.mkdir(mode=0o755)
    (shared / "map").write_bytes(b"shared")
    source: dict[str, tuple[str | Path, ...]] = {
        "another volume": ("-t", "tmpfs", "-o", "mode=755", "none"),
        "the same volume": ("--bind", shared),
        "one file": ("--bind", shared / "map"),
    }
    name = str(path.relative_to(place.world))
    with mounted(*source[how], at=path):
        if how == "another volume":
            (path / "map").write_bytes(b"shared")
        if path.is_dir():
            os.chown(path, 0, 0)  # so that the sidecar cannot write to it
        backup = place.backup()
        assert backup.warnings == [{"kind": "mounted", "path": name}]
        place.file("level.dat", b"ruined")
        (place.world / "maps/map").write_bytes(b"played on")
        assert place.stays(backup) == [name]

        operation = place.restore(backup)

        assert told(operation) == {name: "mounted"}
        assert (place.world / "maps/map").read_bytes() == b"played on"
    assert (place.world / "level.dat").read_bytes() == b"as it was"


@pytest.mark.parametrize("place", ["root", "nobody"], indirect=True)
@pytest.mark.parametrize("mode", ["replace", "overlay"])
def test_mounted_volume_comes_back_and_can_be_undone(place: Place, mode: str) -> None:
    volume = place.file("maps/hidden").parent
    with mounted("-t", "tmpfs", "-o", f"mode=755,uid={NOBODY}", "none", at=volume):
        place.file("maps/map", b"as it was")
        backup = place.backup()
        assert backup.warnings == []
        place.file("level.dat", b"ruined")
        place.file("maps/map", b"played on")
        place.file("maps/built", b"played on")
        assert place.stays(backup, mode) == []

        assert told(place.restore(backup, mode=mode)) == {}

        assert (volume / "map").read_bytes() == b"as it was"
        assert (place.world / "level.dat").read_bytes() == b"as it was"
        assert (volume / "built").exists() is (mode == "overlay")
        assert not (volume / ".savepoint").exists()

        assert told(place.undo(backup)) == {}
        assert (volume / "map").read_bytes() == (volume / "built").read_bytes() == b"played on"


def followed(place: Place) -> Path:
    """A folder outside that links may lead to."""
    worlds = place.daemon.folder / "worlds"
    (worlds / "map").mkdir(parents=True)
    (worlds / "map" / "file").write_bytes(b"as it was")
    for path in (worlds, worlds / "map", worlds / "map" / "file"):
        os.chown(path, NOBODY, NOBODY)
    (place.world / "map").symlink_to(worlds / "map")
    place.daemon.stop()
    place.daemon.follow_links_into = [str(worlds)]
    place.daemon.start()
    sidecar = Provision.objects.get(kind=ProvisionKind.SIDECAR)
    sidecar.address = place.daemon.address
    sidecar.save()
    return worlds / "map"


@pytest.mark.parametrize("place", ["root", "nobody"], indirect=True)
def test_folder_behind_a_followed_link_comes_back_and_can_be_undone(place: Place) -> None:
    folder = followed(place)
    backup = place.backup()
    assert backup.warnings == []
    (folder / "file").write_bytes(b"played on")
    (folder / "built").write_bytes(b"played on")
    assert place.stays(backup) == []

    assert told(place.restore(backup)) == {}

    assert (place.world / "map").is_symlink()
    assert [path.name for path in folder.iterdir()] == ["file"]
    assert (folder / "file").read_bytes() == b"as it was"

    assert told(place.undo(backup)) == {}
    assert (folder / "file").read_bytes() == (folder / "built").read_bytes() == b"played on"


def test_followed_link_that_stays_is_named_with_its_reason(place: Place, client: Client) -> None:
    backup = place.backup()
    folder = followed(place)
    assert place.stays(backup) == ["map"]

    operation = place.restore(backup)

    assert told(operation) == {"map": "linked_out"}
    assert list(folder.iterdir()) == []
    client.force_login(place.owner)
    page = client.get(f"/orders/{place.order.id}/backups/{backup.id}/").content.decode()
    assert "It is a link to a folder outside" in page


def test_new_folder_keeps_a_mount_point_and_locked_entries_in_it(place: Place) -> None:
    """A fresh ext4 volume has root's `lost+found`, which stays for a reason of its own."""
    backup = place.backup()
    place.file("new/gone")
    volume = place.file("new/deep/volume/hidden").parent
    with mounted("-t", "tmpfs", "-o", "mode=755", "none", at=volume):
        (volume / "lost+found").mkdir(mode=0o700)
        for name in ("a", "z"):
            place.file(f"new/deep/volume/{name}")
        stays = {"new": "holds", "new/deep": "holds", "new/deep/volume": "mounted"}
        stays |= {"new/deep/volume/lost+found": "unreadable"}
        assert place.stays(backup) == list(stays)

        operation = place.restore(backup)

        assert told(operation) == stays
        assert [path.name for path in volume.iterdir()] == ["lost+found"]
        assert not (place.world / "new/gone").exists()


@pytest.mark.parametrize(
    "form", ["absolute", "relative", "through another link", "below a closed folder", "away", "relative and away"]
)
def test_link_that_leads_out_is_reported(place: Place, client: Client, form: str) -> None:
    outside = place.daemon.folder / "outside"
    outside.mkdir(mode=0o755)
    (place.world / "inside").symlink_to("plugins")
    (place.world / "nowhere").symlink_to("not/here")
    (place.world / "circle").symlink_to("circle")
    closed = place.daemon.folder / "closed"
    (closed / "map").mkdir(parents=True)
    closed.chmod(0o700)
    target = {
        "absolute": outside,
        "relative": Path("../outside"),
        "through another link": Path("inside/../../outside"),
        "below a closed folder": closed / "map",
        "away": Path("/mnt/volume/world"),  # in the game's container alone
        "relative and away": Path("../../volume/world"),
    }
    (place.world / "map").symlink_to(target[form])

    backup = place.backup()

    assert backup.warnings == [{"kind": "linked_out", "path": "map"}]
    client.force_login(place.owner)
    address = f"/orders/{place.order.id}/backups/{backup.id}/"
    assert "files outside that it leads to are not" in client.get(address).content.decode()
    assert "1 warning" in client.get(f"{address}restore/preview/").content.decode()
    assert not told(place.restore(backup))
