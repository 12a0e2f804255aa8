"""Executes a committed plan, or rolls it back: names first, then metadata.

Both directions skip paths that are already right: setting them again may be refused, and the exchange could never
end. Unchanged files get their metadata after the names, in both directions, if their inode is still the planned one.
A game that keeps running may change live names meanwhile: its new files are moved aside like the planned ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from sidecar.errors import at_entry
from sidecar.places.places import Places
from sidecar.restore.exchanging.metadata import MetadataExchange, error_collected
from sidecar.restore.exchanging.names import NameExchange
from sidecar.restore.workspace.plan import Step, steps_read
from sidecar.restore.workspace.progress import ProgressMeter
from sidecar.restore.workspace.workspace import Workspace


class Exchange:
    """The live tree and the staged one, open for the exchange of names. All methods raise OSError.

    Places that are away are skipped; both directions can be repeated when these are back.
    """

    def __init__(self, places: Places, workspace: Workspace, progress: ProgressMeter) -> None:
        self._places = places
        self._workspace = workspace
        self._progress = progress
        self._live = places.tree()
        self._names = NameExchange(places, workspace, self._live)
        self._metadata = MetadataExchange(places, workspace, self._live, progress)

    def forward(self) -> None:
        """Make the live data wholly new, and durable."""
        self._metadata.open_barred()
        for step in self._steps():
            with at_entry(step.path):
                self._names.forward(step)
        self._metadata.forward()
        self._workspace.sync()

    def backward(self) -> OSError | None:
        """Make the live data wholly old again, and durable. Every step is tried; then the first error is raised.

        A final refusal to set old metadata does not stop the rest: the first such error is returned. All content is
        old again then.
        """
        self._metadata.open_all()
        stuck: list[OSError] = []
        refused: OSError | None = None
        for step in self._steps():
            with error_collected(stuck), at_entry(step.path):
                self._names.backward(step)
        with error_collected(stuck):
            refused = self._metadata.backward()
        if stuck:
            raise stuck[0]
        self._workspace.sync()
        return refused

    def close(self) -> None:
        """Close the descriptors."""
        self._live.close()
        self._names.close()

    def _steps(self) -> Iterator[Step]:
        """The steps of the plan, without those in places that are away."""
        for step in steps_read(self._workspace):
            if self._places.takes_part(step.path):
                yield step
            self._progress.advance()
