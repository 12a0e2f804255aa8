"""The restore of an archive: it is fetched into the sidecar's scratch folder, and extracted from there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from backups.errors import PathNotFound, ScratchFullError
from backups.formats.hashing import HashThread
from backups.formats.interface import Restoring
from operations.models import Operation
from operations.work.lease import Lease
from sidecar_client.client import ExtractProgress
from vault.errors import ArchiveDamagedError
from vault.models import Asset
from vault.services.opening import asset_open, listing_open
from wire.listing import LEFT_OUT, Listing, ListingDamaged, ListingRefused


def archive_path(operation: Operation) -> str:
    """The archive of a restore, as the sidecar names it."""
    return f"/tmp/restore-{operation.id}.archive"  # noqa: S108  # a path of the sidecar


def listing_path(operation: Operation) -> str:
    """The listing of a restore, as the sidecar names it."""
    return f"/tmp/restore-{operation.id}.listing"  # noqa: S108  # a path of the sidecar


def archive_fetch(restoring: Restoring) -> None:
    """Write archive and listing into the sidecar's scratch folder.

    Raises ScratchFullError, ArchiveDamagedError, and PathNotFound for a chosen path that the archive does not have.
    """
    operation, client, lease, source = restoring.operation, restoring.client, restoring.lease, restoring.source
    asset = Asset.objects.select_related("target", "customer").get(backup=source)
    size = asset.size_bytes or 0
    if restoring.paths:
        _paths_check(asset, restoring)
    if restoring.info.scratch_free_bytes < size + (source.listing_bytes or 0):
        raise ScratchFullError
    client.file_write(path=archive_path(operation), size=size, chunks=_followed(restoring, asset=asset, size=size))
    if source.listing_bytes is None:
        return
    # Without a whole listing only the live files decide which paths stay.
    with contextlib.suppress(ArchiveDamagedError):
        listing = listing_open(asset, stored_bytes=source.listing_bytes, checkpoint=lease.checkpoint)
        client.file_write(path=listing_path(operation), size=listing.size, chunks=_checked(listing.read(), lease))


def _paths_check(asset: Asset, restoring: Restoring) -> None:
    """Look for the chosen paths in the listing; without one, the archive itself tells."""
    stored = restoring.source.listing_bytes
    if stored is None:
        return
    missing = set(restoring.paths)
    listing = listing_open(asset, stored_bytes=stored, checkpoint=restoring.lease.checkpoint)
    try:
        for entry in Listing(listing.read()).entries():
            if entry.kind != LEFT_OUT:
                missing.discard(entry.path)
            if not missing:
                return
    except (ListingDamaged, ListingRefused):
        return
    raise PathNotFound


def archive_extract(restoring: Restoring, *, on_progress: Callable[[ExtractProgress], None]) -> None:
    """Extract the archive that was fetched. Raises the errors of the sidecar's client."""
    restoring.client.archive_extract(
        source=archive_path(restoring.operation),
        listing=listing_path(restoring.operation),
        destination=restoring.destination,
        mode=restoring.operation.params["mode"],
        server=restoring.server,
        paths=restoring.paths,
        safety=restoring.safety,
        on_progress=on_progress,
        cancelled=restoring.lease.interrupted,
    )


def _checked(pieces: Iterator[bytes], lease: Lease) -> Iterator[bytes]:
    for piece in pieces:
        lease.checkpoint()
        yield piece


def _followed(restoring: Restoring, *, asset: Asset, size: int) -> Iterator[bytes]:
    """The archive's bytes, with progress. The last ones come only after all of them were verified."""
    done, lease = 0, restoring.lease
    with HashThread() as digest:
        reader = asset_open(asset, checkpoint=lease.checkpoint)
        for piece in _checked(reader.read(digest=digest), lease):
            restoring.pace(len(piece))
            done += len(piece)
            lease.progress(bytes_done=done, bytes_total=size, phase="fetching")
            yield piece
