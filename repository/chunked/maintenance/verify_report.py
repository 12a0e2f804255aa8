"""What a verification found."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LostFile:
    """A path that cannot be restored as it was, and why."""

    path: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class LostRange:
    """A part of a manifest that cannot be read: from path `first` up to path `until` (None: the end), without that."""

    first: bytes
    until: bytes | None
    reason: str


@dataclass(slots=True)
class SnapshotReport:
    """One snapshot. `reason`: why nothing of it can be restored, if so. Memory grows with what is lost only."""

    snapshot: bytes
    files: int = 0
    reason: str | None = None
    lost: list[LostFile] = field(default_factory=list)
    ranges: list[LostRange] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing is known to be wrong with it."""
        return self.reason is None and not self.lost and not self.ranges


@dataclass(slots=True)
class VerifyReport:
    """The state of a repository. `damaged`: keys of objects, relative to the repository, and what is wrong with each.

    `packs`, `packs_read`, `chunks_read`, `bytes_read` (stored bytes) say how much was looked at. `orphan_packs` are in
    no index: an interrupted snapshot, or one being written. `deleted_left` counts deleted snapshots whose root is still
    there.
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
        """Whether no damage was found at all."""
        return not self.damaged and all(found.whole for found in self.snapshots)

    def damage(self, key: str, reason: str) -> None:
        """Take note of what is wrong with an object."""
        reasons = self.damaged.setdefault(key, [])
        if reason not in reasons:
            reasons.append(reason)


@dataclass(frozen=True, slots=True)
class VerifyProgress:
    """How far a verification is."""

    packs: int
    packs_total: int
    snapshots: int
    snapshots_total: int
