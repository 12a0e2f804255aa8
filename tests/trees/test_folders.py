"""Links that lead out of a folder, by the kernel or by their texts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.sidecar_archive.listings import as_nobody
from trees.folders import link_leads_out

INSIDE = [
    "file",
    "folder",
    "missing",
    "folder/missing",
    "folder/../file",
    "../root/file",
    "to itself",
    "chain",
    "{root}/x",
]
OUTSIDE = ["..", "../outside", "../missing", "folder/../../missing", "/nowhere/at/all", "{outside}", "{closed}/map"]
OUTSIDE += ["{root}-2/x", "out", "up/missing", "{root}/../missing", "{closed}/../outside/x", "/"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "folder" / "deep").mkdir(parents=True)
    (root / "file").touch()
    (root / "to itself").symlink_to("to itself")
    (root / "chain").symlink_to("gone")
    (root / "gone").symlink_to("folder/missing")
    (root / "out").symlink_to("away")
    (root / "away").symlink_to("/mnt/volume/world")
    (root / "up").symlink_to("..")
    (tmp_path / "outside").mkdir()
    (tmp_path / "closed" / "map").mkdir(parents=True)
    (tmp_path / "closed").chmod(0)
    for folder in (root, *tmp_path.parents[:3], tmp_path):
        folder.chmod(folder.stat().st_mode | 0o055)
    return root


@pytest.mark.parametrize(("text", "leads_out"), [*((t, False) for t in INSIDE), *((t, True) for t in OUTSIDE)])
@pytest.mark.parametrize("within", ["", "folder", "folder/deep"])
def test_link_leads_out(root: Path, tmp_path: Path, text: str, within: str, *, leads_out: bool) -> None:
    text = text.format(root=root, outside=tmp_path / "outside", closed=tmp_path / "closed")
    # The same end from a deeper folder.
    link = root / within / "link"
    link.symlink_to(text if text.startswith("/") else "../" * len(Path(within).parts) + text)
    folder = os.open(root / within, os.O_RDONLY)
    try:
        with as_nobody():
            assert link_leads_out(b"link", folder, root=os.fsencode(root)) == leads_out
    finally:
        os.close(folder)
        (tmp_path / "closed").chmod(0o700)


def test_chain_of_more_links_than_the_kernel_follows_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    for number in range(60):
        (tmp_path / "root" / f"{number}").symlink_to(f"{number + 1}")
    (tmp_path / "root" / "60").symlink_to("/nowhere/at/all")
    folder = os.open(tmp_path / "root", os.O_RDONLY)
    try:
        told = [link_leads_out(b"%d" % number, folder, root=os.fsencode(tmp_path / "root")) for number in range(61)]
    finally:
        os.close(folder)
    assert told == [False] * 21 + [True] * 40


def test_root_of_the_machine_is_never_left(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/nowhere/at/all")
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        assert not link_leads_out(b"link", folder, root=b"/")
    finally:
        os.close(folder)
