"""Conditions of data volume and storage: unchangeable or unreadable entries, mounts, a missing volume, damage."""

# Names are bytes here, which pathlib does not take:
# ruff: noqa: PTH101, PTH114

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

from backups.errors import BackupCollapsed
from backups.models import Backup, BackupStatus
from backups.services.backups import backup_create
from backups.services.restores import RestoreOptions, backup_restore
from common.errors import ApplicationError
from tests.chaos.edits import tree_edit
from tests.chaos.invariants import Violated
from tests.chaos.mounts import bind_mount, mount_points, namespace_own, tmpfs_mount
from tests.chaos.trees import paths_of
from tests.chaos.user import IS_ROOT, ROOT, USER, as_user, hand_over
from tests.chaos.volume import immutable_begin
from tests.chaos.working import work
from tests.chaos.world import World
from vault.models import Asset

MODES = {
    ("file", "another's"): [0o600, 0o600, 0o644],
    ("file", "own"): [0o000, 0o200, 0o400],
    ("folder", "another's"): [0o700, 0o700, 0o744, 0o711, 0o755],
    ("folder", "own"): [0o000, 0o300, 0o600, 0o500],
}
"""Modes. The last of each list leaves the entry readable, but entries in such a folder cannot be changed."""
MOUNTS = ["volume", "volume", "bound folder", "bound file"]


def immutable(world: World, rng: Random) -> str:
    """An administrator makes a file or a folder immutable, or lifts that again.

    Not during a restore whose result will be judged: immutable entries stay.
    """
    if world.restores:
        return "nothing, a restore is on its way"
    if world.immutable and rng.random() < 0.4:
        return immutable_lift(world)
    paths = paths_of(world.root)
    path = rng.choice(paths) if paths else b""
    # In a mounted folder the flag would change whether a restore brings back its files.
    descriptor = immutable_begin(path) if path and path not in mount_points(world.root) else None
    if descriptor is None:
        return "nothing"
    world.immutable.append(descriptor)
    world.happened["data volume: immutable"] += 1
    return repr(path[-40:])


def immutable_lift(world: World) -> str:
    """Make every entry changeable again."""
    return f"lifted {world.immutable_lift()}"


def close(world: World, rng: Random) -> str:
    """Someone takes the rights to a file or folder from the sidecar's user, or gives them all back."""
    lift, kind, chosen, mine = rng.random() < 0.3, rng.choice(["file", "folder"]), rng.random(), rng.random() < 0.3
    paths = _paths_of_kind(world, os.path.isdir if kind == "folder" else os.path.isfile)
    if world.restores or not paths or not IS_ROOT:
        return "nothing, the tree is needed"
    if lift:
        return close_lift(world)
    path = paths[int(chosen * len(paths))]
    whose = "own" if mine else "another's"
    mode = rng.choice(MODES[kind, whose])
    try:
        if not mine:
            os.chown(path, ROOT, ROOT)
        os.chmod(path, mode)
    except PermissionError:
        return "nothing, it is immutable"
    world.happened[f"data volume: {whose} {kind} {mode:04o}"] += 1
    return repr(path[-40:])


def close_lift(world: World) -> str:
    """Give every entry back to the sidecar's user, with its owner's rights."""
    lifted = 0
    for path in paths_of(world.root):
        status = os.lstat(path)
        own = stat.S_IRWXU if stat.S_ISDIR(status.st_mode) else stat.S_IRUSR | stat.S_IWUSR
        if stat.S_ISLNK(status.st_mode) or (status.st_uid == USER and status.st_mode & own == own):
            continue
        with suppress(PermissionError):
            os.chown(path, USER, USER)
            os.chmod(path, stat.S_IMODE(status.st_mode) | own)
            lifted += 1
    return f"lifted {lifted}"


def mount(world: World, rng: Random) -> str:
    """Mount a volume, a folder or a file in the data root, or remove all mounts."""
    lift, kind, chosen = rng.random() < 0.3, rng.choice(MOUNTS), rng.random()
    if world.restores:
        return "nothing, the tree is needed"
    if lift:
        return f"unmounted {world.unmount()}"
    paths = _paths_of_kind(world, os.path.isfile if kind == "bound file" else os.path.isdir)
    if not paths or not namespace_own():
        return "nothing"
    path = paths[int(chosen * len(paths))]
    if not _mount(world, kind, path, rng):
        return "nothing"
    world.happened[f"data volume: {kind} mounted"] += 1
    return f"{kind} at {path[-40:]!r}"


def _paths_of_kind(world: World, is_right: Callable[[bytes], bool]) -> list[bytes]:
    return [path for path in paths_of(world.root) if is_right(path) and not os.path.islink(path)]


def _mount(world: World, kind: str, path: bytes, rng: Random) -> bool:
    if kind == "volume":
        return tmpfs_mount(path) and _filled(Path(os.fsdecode(path)), rng)
    shared = world.folder / f"shared-{len(world.steps)}"
    shared.mkdir()
    hand_over(shared)
    _filled(shared, rng)
    if kind == "bound folder":
        return bind_mount(os.fsencode(shared), path)
    file = shared / "file"
    with as_user():
        file.write_bytes(rng.randbytes(100))
    return bind_mount(os.fsencode(file), path)


def _filled(folder: Path, rng: Random) -> bool:
    for _ in range(4):
        tree_edit(folder, rng)
    return True


def collapse(world: World, rng: Random) -> str:
    """Make a backup while the data volume is missing: it is marked, and its restore asks for confirmation."""
    if world.restores or world.live() or world.immutable or mount_points(world.root):
        return "nothing, the tree is needed"
    before = world.usable()
    aside = world.folder / "aside"
    aside.mkdir()
    with _moved(world.root, aside):
        with suppress(ApplicationError):
            backup_create(
                user=world.user, order_id=world.order.id, provision_id=world.server.id, name=None, idempotency=None
            )
        world.sidecar_ensure()
        for operation in world.live():
            work(world, operation.id)
    aside.rmdir()
    for backup in Backup.objects.filter(id__in=world.usable() - before):
        _asks_again(world, backup)
        world.happened["data volume: away"] += 1
    return "and back"


@contextmanager
def _moved(root: Path, aside: Path) -> Iterator[None]:
    """Move a folder's entries to another folder for the length of the block."""
    for path in list(root.iterdir()):
        path.rename(aside / path.name)
    try:
        yield
    finally:
        for path in list(aside.iterdir()):
            path.rename(root / path.name)


def _asks_again(world: World, backup: Backup) -> None:
    if not backup.collapsed:
        raise Violated(f"backup {backup.id} of an empty server is not marked")
    try:
        backup_restore(
            user=world.user, order_id=world.order.id, provision_id=world.server.id, backup_id=backup.id,
            options=RestoreOptions(), idempotency=None,
        )  # fmt: skip
    except BackupCollapsed:
        return
    except ApplicationError as refusal:
        if world.live() or backup.status != BackupStatus.READY:
            return
        raise Violated(f"the restore of a collapsed backup was refused as {refusal.code}") from None
    raise Violated(f"the restore of collapsed backup {backup.id} did not ask again")


def damage(world: World, rng: Random) -> str:
    """Flip a bit of a stored archive; that backup can no longer be restored, all others can."""
    intact = world.usable() - world.damaged
    whole = Asset.objects.filter(backup__in=intact, repository=None).order_by("key")
    # One backup stays intact, so that a run has something to restore.
    if not whole or len(intact) < 2:
        return "nothing"
    asset = whole[int(rng.random() * whole.count())]
    with (world.storage / asset.key).open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(int(rng.random() * size))
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1 << rng.randrange(8)]))
    world.damaged.add(asset.backup.id)
    world.happened["storage: bit flipped"] += 1
    return str(asset.backup.id)
