"""Finds the backups of a place, and one backup by its name."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass

from opener.archives import Archive, archives_find
from opener.errors import Cannot
from opener.keys import Keys, data_key_parse, key_file_read, keys_given, keys_unwrapped
from opener.output import note
from opener.places import place_open
from opener.snapshots import Snapshot, snapshots_find
from repository.storage import Storage

SHOWN_MAX = 5


@dataclass(frozen=True, slots=True)
class Backups:
    """The backups that the keys open, and the known facts about the others."""

    storage: Storage
    archives: list[Archive]
    snapshots: list[Snapshot]
    damaged: list[str]

    def one(self, name: str) -> Archive | Snapshot:
        """The backup of that name, or the only one whose name begins so; raises `Cannot`."""
        found: list[Archive | Snapshot] = [*self.archives, *self.snapshots]
        exact = [backup for backup in found if name in (backup.name, getattr(backup, "key", None))]
        if len(exact or found) > 1:
            names = ", ".join(backup.name for backup in (exact or found)[:SHOWN_MAX])
            raise Cannot(f"{name} may be several backups: {names}")
        if not found:
            raise Cannot(self.damaged[0] if self.damaged else f"there is no backup {name}")
        return (exact or found)[0]


def backups_find(arguments: Namespace, names: Sequence[str] = ()) -> Backups:
    """All backups of the place, or those whose names begin with one of `names`. Raises `Cannot`, and `StorageError`.

    An empty place is an error, too: a wrong folder, prefix or key looks the same.
    """
    storage = place_open(arguments)
    keys = _keys(arguments, storage)
    for reason in keys.refused:
        note(f"a key that does not open: {reason}")
    archives = archives_find(storage, keys, order=arguments.order, names=names)
    found = snapshots_find(storage, keys, tenant=arguments.tenant, order=arguments.order, names=names)
    locked = [archive.name for archive in archives if archive.locked]
    opened = [archive for archive in archives if not archive.locked and _is_asked(archive, arguments)]
    if not opened and not found.snapshots and not found.damaged:
        if locked or found.locked:
            raise Cannot(f"key unavailable: {_counted(locked, found.locked)} here, and none of the keys opens them")
        raise Cannot(f"there is no backup {names[0]}" if names else "there are no backups at this place")
    if locked or found.locked:
        note(f"not shown, because none of the keys opens them: {_counted(locked, found.locked)}")
    return Backups(storage, opened, found.snapshots, found.damaged)


def _keys(arguments: Namespace, storage: Storage) -> Keys:
    tenant, target = arguments.tenant, arguments.target
    if arguments.master_keys is not None:
        content = key_file_read(arguments.master_keys)
        return keys_unwrapped(content, storage, copies=arguments.keys_file, tenant=tenant, target=target)
    if arguments.keys_file:
        raise Cannot("--keys-file is a wrapped key: it needs --master-keys")
    data_key = data_key_parse(key_file_read(arguments.key_file))
    return keys_given(data_key, storage, tenant=tenant, target=target)


def _is_asked(archive: Archive, arguments: Namespace) -> bool:
    owner = archive.owner
    return arguments.tenant is None or owner is None or owner.tenant == arguments.tenant


def _counted(archives: Sequence[str], repositories: Sequence[str]) -> str:
    words = ((len(archives), "archive", "archives"), (len(repositories), "repository", "repositories"))
    return " and ".join(f"{count} {one if count == 1 else many}" for count, one, many in words if count)
