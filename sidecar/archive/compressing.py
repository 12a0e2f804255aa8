"""Packs a folder into a scratch file that can be read while it is written."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archives.formats import ArchiveFormat
from pipelines.pacing import Bandwidth
from sidecar.archive.pack import PackProgress, PackResult, tree_pack
from sidecar.calls.calls import Call, Calls
from sidecar.calls.jobs import Job
from sidecar.errors import Refused
from sidecar.exclusion.patterns import NO_EXCLUDE, Exclude
from sidecar.game.game import Game
from sidecar.places.links import LinkRoots
from sidecar.scratch.growing import GrowingFile
from sidecar.scratch.paths import data_folder, folder_path, scratch_name
from sidecar.scratch.scratch import Scratch
from wire.enums import Consistency

_NOTHING_YET: Final = PackProgress(bytes_read=0, bytes_total=0, files=0)


@dataclass(frozen=True, slots=True)
class Packed:
    """The finished archive, and the consistency of the data in it."""

    archive: PackResult
    consistency: Consistency


PackJob = Job[PackProgress, Packed]


class Compressions:
    """The archives being written, by the name that each will have."""

    def __init__(
        self, *, root: Path, scratch: Scratch, calls: Calls, game: Game, links: LinkRoots, bandwidth: Bandwidth
    ) -> None:
        self._root = root
        self._links = links
        self._scratch = scratch
        self._calls = calls
        self._game = game
        self._bandwidth = bandwidth
        self._lock = threading.Lock()
        self._growing: dict[str, tuple[Call, GrowingFile]] = {}

    def run(
        self,
        call: Call,
        *,
        source: str,
        output: str,
        listing: str,
        quiesce: bool,
        exclude: Exclude = NO_EXCLUDE,
        format_: ArchiveFormat = ArchiveFormat.TAR_GZ,
    ) -> Iterator[tuple[PackProgress, Packed | None]]:
        """Pack the folder `source` into the scratch file `output`; yield the progress, and at last the result.

        From the first progress on, `growing` returns the output. `listing`, unless empty, names a scratch file that
        lists every entry; it appears just before the output. Both are removed when packing fails or the call is
        stopped. `quiesce` asks the game to pause its writes; if that fails, packing goes on. Paths that `exclude`
        matches are left out. Raises `SidecarError`s.
        """
        name = scratch_name(output)
        listing_name = scratch_name(listing) if listing else ""
        if listing_name == name:
            raise Refused("The archive and its listing are one scratch file.")
        with ExitStack() as opened:
            folder = opened.enter_context(data_folder(source, root=self._root))
            partial = opened.enter_context(self._scratch.partial_create())
            listed = opened.enter_context(self._scratch.partial_create()) if listing else None
            growing = GrowingFile(partial.descriptor)
            self._add(name, call, growing)
            opened.callback(self._remove, name, growing)
            kept = opened.pop_all()
        job = PackJob(name=f"packing for {call.operation}", progress=_NOTHING_YET)

        def pack() -> Packed:
            with kept, growing, self._game.watched(quiesce=quiesce) as watch:
                result = tree_pack(
                    root=folder_path(folder),
                    sink=growing,
                    on_progress=job.report,
                    cancelled=job.cancelled,
                    listing=listed,
                    links=self._links,
                    bandwidth=self._bandwidth,
                    exclude=exclude,
                    format_=format_,
                )
                consistency = watch.end()
                with self._calls.decisive(call), ExitStack() as failing:
                    if listed is not None:
                        listed.publish(listing_name)
                        failing.callback(self._scratch.remove, listing_name)
                    partial.publish(name)
                    failing.pop_all()
                return Packed(result, consistency)

        call.on_stop(job.cancel)
        job.start(pack)
        for progress in job.follow(call):
            yield progress, None
        yield job.progress, job.result()

    def growing(self, name: str) -> GrowingFile | None:
        """The file being written under this name, or None."""
        with self._lock:
            _, growing = self._growing.get(name, (None, None))
            return growing

    def _add(self, name: str, call: Call, growing: GrowingFile) -> None:
        with self._lock:
            other, _ = self._growing.get(name, (None, None))
            if other is not None and not other.stopped():
                raise Refused("The scratch file is being written by another call.")
            self._growing[name] = call, growing

    def _remove(self, name: str, growing: GrowingFile) -> None:
        with self._lock:
            if self._growing.get(name, (None, None))[1] is growing:
                del self._growing[name]
