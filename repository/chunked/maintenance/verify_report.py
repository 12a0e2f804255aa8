"""The report of a verification."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LostFile:
    """A path that cannot be restored as it was, and the reason."""

    path: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class LostRange:
    """An unreadable part of a manifest: from path `first` up to, but not including, `until` (None: to the end)."""

    first: bytes
    until: bytes | None
    reason: str


@dataclass(slots=True)
class SnapshotReport:
    """One snapshot. `reason`: why nothing of it can be restored, if so. Memory grows only with the number of losses.

    `later`: a later release has written it, and nothing is known of its state.
    """

    snapshot: bytes
    files: int = 0
    reason: str | None = None
    later: bool = False
    lost: list[LostFile] = field(default_factory=list)
    ranges: list[LostRange] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether no damage of the snapshot is known."""
        return self.reason is None and not self.lost and not self.ranges


@dataclass(slots=True)
class VerifyReport:
    """The state of a repository. `damaged`: keys of objects, relative to the repository, each with its problem.

    `packs`, `packs_read`, `chunks_read`, `bytes_read` (stored bytes) tell the extent of the check. `orphan_packs` are
    in no index: an interrupted snapshot left them, or a running one writes them. `deleted_left` counts deleted
    snapshots whose root still exists.
    """

    snapshots: list[SnapshotReport] = field(default_factory=list)
    damaged: dict[str, list[str]] = field(default_factory=dict)
    packs: int = 0
    packs_read: int = 0
    chunks_read: int = 0
    bytes_read: int = 0
    orphan_packs: int = 0
    deleted_left: int = 0

    @property
    def whole(self) -> bool:
        """Whether no damage was found."""
        return not self.damaged and all(found.whole for found in self.snapshots)

    def damage(self, key: str, reason: str) -> None:
        """Note a problem of an object."""
        reasons = self.damaged.setdefault(key, [])
        if reason not in reasons:
            reasons.append(reason)


@dataclass(frozen=True, slots=True)
class VerifyProgress:
    """The progress of a verification."""

    packs: int
    packs_total: int
    snapshots: int
    snapshots_total: int
