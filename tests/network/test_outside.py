"""Parts of a data root that lie outside it: mounted volumes, and links that lead out."""

# ruff: noqa: F811 - a fixture is found by its name

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.test import Client

from tests.network.test_staying import Place, place, told  # noqa: F401  # a fixture among them
from tests.services.require import program_require, unavailable

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
def test_mounted_part_is_said_and_stays(place: Place, how: str, tmp_path: Path) -> None:
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
        backup = place.create()
        assert backup.warnings == [{"kind": "mounted", "path": name}]
        place.file("level.dat", b"ruined")
        place.file("maps/map", b"played on", owner=0)
        assert place.stays(backup) == [name]

        operation = place.restore(backup)

        assert told(operation) == {name: "mounted"}
        assert (place.world / "maps/map").read_bytes() == b"played on"
    assert (place.world / "level.dat").read_bytes() == b"as it was"


def test_new_folder_keeps_all_of_a_mounted_volume_and_what_is_locked_in_it(place: Place) -> None:
    """A fresh ext4 volume has root's `lost+found`, which stays for a reason of its own."""
    backup = place.create()
    place.file("new/gone")
    volume = place.file("new/deep/volume/hidden").parent
    with mounted("-t", "tmpfs", "-o", "mode=755", "none", at=volume):
        (volume / "lost+found").mkdir(mode=0o700)
        for name in ("a", "z"):
            place.file(f"new/deep/volume/{name}")
        assert place.stays(backup) == ["new", "new/deep", "new/deep/volume"]

        operation = place.restore(backup)

        assert told(operation) == {"new": "holds", "new/deep": "holds", "new/deep/volume": "mounted"}
        assert sorted(path.name for path in volume.iterdir()) == ["a", "lost+found", "z"]
        assert not (place.world / "new/gone").exists()


@pytest.mark.parametrize("form", ["absolute", "relative", "through another link"])
def test_link_that_leads_out_is_said(place: Place, client: Client, form: str) -> None:
    outside = place.daemon.folder / "outside"
    outside.mkdir(mode=0o755)
    (place.world / "inside").symlink_to("plugins")
    (place.world / "nowhere").symlink_to("/nowhere/at/all")
    target = {"absolute": outside, "relative": Path("../outside"), "through another link": Path("inside/../../outside")}
    (place.world / "map").symlink_to(target[form])

    backup = place.create()

    assert backup.warnings == [{"kind": "linked_out", "path": "map"}]
    client.force_login(place.shop.owner)
    address = f"/orders/{place.shop.order.id}/backups/{backup.id}/"
    assert "files outside that it leads to are not" in client.get(address).content.decode()
    assert "1 warning" in client.get(f"{address}restore/preview/").content.decode()
    assert not told(place.restore(backup))
