"""The test restore of one backup, of either format."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from archives.tar_stream import Member
from backups.errors import FilesUnavailable, PreviewUnavailable
from backups.formats.registry import format_of
from backups.models import Backup, Depth
from backups.services.proof import DAMAGED_KEPT, Verified
from backups.trials.folder import trial_folder, trial_room
from backups.trials.slices import EXTRA, MISSING, Slice
from operations.models import Operation
from operations.work.lease import Lease
from repository.errors import ContentDamaged
from trees.paths import walks_joined
from vault.errors import ArchiveDamagedError
from wire.listing import FILE, FOLDER, LEFT_OUT, Entry, Listing, ListingDamaged, ListingRefused

PHASE = "trial"
UNREADABLE = "this, or what follows it, cannot be read"
_COUNTED = {FILE: "files", FOLDER: "folders"}


def trial_restore(backup: Backup, operation: Operation, lease: Lease) -> Verified:
    """Restore a backup into a private folder of this machine, and compare every file with the list of the backup.

    Damage is a result. Raises FilesUnavailable without a list, ScratchFullError, PortalDiskUnwritable, the lease's
    errors, and those of storage and keys.
    """
    began = time.monotonic()
    with trial_folder(f"{operation.id}.{operation.fence}") as folder:
        largest = trial_room(folder, content_bytes=backup.content_bytes or backup.size_bytes or 0)
        run = _Trial(backup, lease, folder, largest=largest)
        damaged = False
        try:
            run.run()
        except ArchiveDamagedError:
            damaged = True
            run.unreadable()
        finally:
            run.close()
    return Verified(
        depth=Depth.RESTORE,
        seconds=time.monotonic() - began,
        counted=dict(run.counted),
        files=None if damaged else run.faults,
        kept=tuple(run.kept),
        content=True,
    )


class _Trial:
    """One test restore."""

    def __init__(self, backup: Backup, lease: Lease, folder: int, *, largest: int) -> None:
        self._backup = backup
        self._lease = lease
        self._slice = Slice(folder, largest=largest, wrote=self._wrote)
        self.counted = Counter({"files": 0, "folders": 0, "links": 0, "bytes": 0})
        self._at = b""
        self.faults = 0
        self.kept: list[tuple[bytes, str]] = []

    def run(self) -> None:
        """Restore and compare everything, slice by slice."""
        with format_of(self._backup).members(self._backup, checkpoint=self._lease.checkpoint) as members:
            steps = walks_joined(self._listed(), members, left_path=_listed_path, right_path=_member_path)
            for entry, member in steps:
                self._lease.checkpoint()
                self._step(entry, member)
        self._compare()

    def unreadable(self) -> None:
        """Note the path at which nothing more could be read."""
        self._fault(self._at, UNREADABLE)

    def close(self) -> None:
        """Close the descriptors."""
        self._slice.close()

    def _listed(self) -> Iterator[Entry]:
        try:
            listing = format_of(self._backup).listing(self._backup, checkpoint=self._lease.checkpoint)
            yield from Listing(listing).entries()
        except (PreviewUnavailable, ListingDamaged, ListingRefused) as error:
            raise FilesUnavailable from error

    def _step(self, entry: Entry | None, member: Member | None) -> None:
        if entry is None:
            if member is not None:
                self._fault(member[0].path, EXTRA)
        elif entry.kind == LEFT_OUT:
            return  # a member of that path has content that the disk did not give
        elif member is None:
            self._fault(entry.path, MISSING)
        else:
            self._restore(entry, member)

    def _restore(self, entry: Entry, member: Member) -> None:
        if not self._slice.room(entry):
            self._compare()
        self._at = entry.path
        self.counted[_COUNTED.get(entry.kind, "links")] += 1
        try:
            fault = self._slice.add(entry, *member)
        except ContentDamaged as error:
            fault = str(error)
        if fault:
            self._fault(entry.path, fault)

    def _compare(self) -> None:
        for path, fault in self._slice.compare():
            self._fault(path, fault)
            self._lease.checkpoint()
        self._slice.clear()

    def _fault(self, path: bytes, reason: str) -> None:
        self.faults += 1
        if len(self.kept) < DAMAGED_KEPT:
            self.kept.append((path, reason))

    def _wrote(self, length: int) -> None:
        self._lease.checkpoint()
        self.counted["bytes"] += length
        total = self._backup.content_bytes
        self._lease.progress(bytes_done=self.counted["bytes"], bytes_total=total, phase=PHASE)


def _listed_path(entry: Entry) -> bytes:
    return entry.path


def _member_path(member: Member) -> bytes:
    return member[0].path
