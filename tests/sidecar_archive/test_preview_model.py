"""Previews compared with a model in plain Python, and with real restores."""

from __future__ import annotations

import itertools
import os
import shutil
import stat
import uuid
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.preview.changes import Preview
from sidecar.restore.archive import archive_extract
from sidecar.restore.workspace.outcomes import ExtractSummary
from tests.sidecar_archive.listings import packed, preview
from wire.enums import Mode
from wire.listing import FILE

KINDS = ("ADDED", "CHANGED", "REMOVED")
# Few names, close to each other in order, so that two trees often share paths.
NAMES = st.sampled_from(["a", "b", "a-b", "a b", "a.", "A", "%", os.fsdecode(b"\xff"), "a\n", ".savepoint"])


@dataclass(frozen=True)
class Node:
    """An entry to create at a path; if two collide, the later one is left out."""

    path: tuple[str, ...]
    kind: str
    text: str
    mode: int


NODES = st.builds(
    Node,
    path=st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    kind=st.sampled_from(["file", "file", "folder", "link", "twin"]),
    text=st.sampled_from(["", "1", "2", "one more"]),
    mode=st.sampled_from([0o644, 0o755]),
)
TREES = st.lists(NODES, max_size=12)


def grow(root: Path, nodes: list[Node]) -> None:
    files: list[Path] = []
    for node in nodes:
        path = root.joinpath(*node.path)
        if any(above.is_symlink() or above.is_file() for above in path.parents if root in above.parents):
            continue
        if path.is_symlink() or path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if node.kind == "link":
            path.symlink_to(node.text or "nowhere")
        elif node.kind == "twin" and files:
            path.hardlink_to(files[0])
        elif node.kind == "folder":
            path.mkdir()
            path.chmod(0o700 | node.mode)
        else:
            path.write_text(node.text)
            path.chmod(node.mode)
            files.append(path)


Things = dict[tuple[bytes, ...], tuple[object, ...]]


def things(root: Path) -> Things:
    """All that a restore must make equal, by the components of its path; without the reserved folder."""
    found: Things = {}
    for path in sorted(root.rglob("*")):
        parts = tuple(os.fsencode(part) for part in path.relative_to(root).parts)
        if parts[0] == b".savepoint":
            continue
        status = path.lstat()
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFLNK:
            found[parts] = kind, path.readlink()
        else:
            found[parts] = kind, status.st_mode & 0o777, path.read_bytes() if kind == stat.S_IFREG else b""
    return found


def model(archived: Things, live: Things, mode: Mode) -> tuple[set[bytes], set[bytes], set[bytes]]:
    added = archived.keys() - live.keys()
    changed = {path for path in archived.keys() & live.keys() if archived[path] != live[path]}
    gone = live.keys() - archived.keys()
    if mode is Mode.OVERLAY:
        replaced = {path for path in changed if archived[path][0] != stat.S_IFDIR}
        gone = {path for path in gone if any(path[:depth] in replaced for depth in range(1, len(path)))}
    return named(added), named(changed), named(gone)


def named(paths: set[tuple[bytes, ...]]) -> set[bytes]:
    return {b"/".join(path) for path in paths}


def told(found: Preview) -> tuple[set[bytes], set[bytes], set[bytes]]:
    by_kind = {kind: {change.path for change in found.changes if change.kind.name == kind} for kind in KINDS}
    assert [len(by_kind[kind]) for kind in KINDS] == [found.added, found.changed, found.removed]
    return by_kind["ADDED"], by_kind["CHANGED"], by_kind["REMOVED"]


NUMBERS = itertools.count()


def fresh(folder: Path, before: list[Node]) -> Path:
    root = folder / f"world-{next(NUMBERS)}"
    root.mkdir()
    grow(root, before)
    return root


def clear(root: Path) -> None:
    for path in root.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def restore(root: Path, archive: bytes, mode: Mode) -> ExtractSummary:
    file = root.with_suffix(".tar.gz")
    file.write_bytes(archive)
    return archive_extract(
        archive=file,
        root=root,
        operation=str(uuid.uuid4()),
        mode=mode,
        on_progress=lambda _: None,
        cancelled=lambda: False,
    )


@given(before=TREES, after=TREES, mode=st.sampled_from(Mode))
@settings(max_examples=150)
def test_preview_matches_a_model(in_memory: Path, before: list[Node], after: list[Node], mode: Mode) -> None:
    root = fresh(in_memory, before)
    archived, done = things(root), packed(root)
    clear(root)
    grow(root, after)
    found = preview(root, done.listing, mode)
    expected = model(archived, things(root), mode)
    assert told(found) == expected
    sizes = {entry.path: entry.size for entry in done.entries() if entry.kind == FILE}
    assert found.bytes == sum(sizes.get(path, 0) for path in expected[0] | expected[1])
    shutil.rmtree(root)


@given(before=TREES, after=TREES, mode=st.sampled_from(Mode))
@settings(max_examples=60)
def test_restore_matches_its_preview_and_leaves_no_difference(
    in_memory: Path, before: list[Node], after: list[Node], mode: Mode
) -> None:
    # Files in the reserved folder would be taken for a journal.
    before, after = ([node for node in nodes if node.path[0] != ".savepoint"] for nodes in (before, after))
    root = fresh(in_memory, before)
    done = packed(root)
    clear(root)
    grow(root, after)
    said = preview(root, done.listing, mode)
    summary = restore(root, done.archive, mode)
    assert summary.removed == said.removed
    shutil.rmtree(root / ".savepoint", ignore_errors=True)
    assert preview(root, done.listing, mode) == Preview(0, 0, 0, 0, (), more=False)
    shutil.rmtree(root)
