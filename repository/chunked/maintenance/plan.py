"""The plan of a prune: packs to delete now, to condemn, and to repack. Planning changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from repository.chunked.chunks.chunk import ChunkType
from repository.chunked.maintenance.facts import Condemnation, Facts
from repository.chunked.maintenance.used import PackUse
from repository.chunked.marks import LIFE, MarkKind
from repository.errors import PruneRefused

MIB = 1 << 20
# The clocks of writers, prunes and storage may differ by at most this much.
CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The options of a prune.

    `grace`: the least time that a pack stays condemned. `dead_share`: packs with at least this share of dead bytes are
    repacked. `small_pack`: packs of fewer bytes are repacked together. `allow_empty`: a repository without snapshots is
    not refused. `expected`: the snapshots that the caller knows; unless all are listed, nothing is deleted.
    """

    grace: timedelta
    dead_share: float = 0.3
    small_pack: int = 8 * MIB
    allow_empty: bool = False
    expected: frozenset[bytes] = frozenset()


@dataclass(slots=True)
class PrunePlan:
    """The steps of a prune. Packs are named by their ids; figures count packs, or bytes in storage.

    `delete`: condemned, past the grace time, and unused. `rescue`: condemned, but used after all. `dead`: unused, so
    they are condemned now; `orphans` are those of them that no index names. `repack`: their used chunks are copied out,
    then they are condemned too. `adopt`: used, although no index names them. `unreadable`: left alone, because their
    content is unknown. `settled`: condemnations that this prune completes; `waiting`: why the others have to wait.
    """

    policy: Policy
    refusals: list[str] = field(default_factory=list)
    kept: int = 0
    delete: frozenset[bytes] = frozenset()
    rescue: frozenset[bytes] = frozenset()
    dead: frozenset[bytes] = frozenset()
    orphans: frozenset[bytes] = frozenset()
    repack: frozenset[bytes] = frozenset()
    adopt: frozenset[bytes] = frozenset()
    unreadable: frozenset[bytes] = frozenset()
    settled: list[Condemnation] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    dead_marks: list[bytes] = field(default_factory=list)
    deleted_snapshots: list[bytes] = field(default_factory=list)
    tombstones: list[bytes] = field(default_factory=list)
    missing: int = 0
    freed_now: int = 0
    freed_later: int = 0
    copied: int = 0
    used: bool = False

    def lines(self) -> Iterator[str]:
        """The plan in words, to be printed."""
        yield from (f"refused: {why}" for why in self.refusals)
        yield f"packs kept: {self.kept}"
        yield f"condemned packs deleted now: {len(self.delete)}, {self.freed_now} bytes freed"
        yield f"condemned packs that are used after all: {len(self.rescue)}"
        yield f"packs of which nothing is used: {len(self.dead)}, in no index: {len(self.orphans)}"
        yield f"packs to copy out of: {len(self.repack)}, {self.copied} bytes copied"
        yield f"freed after the grace: {self.freed_later} bytes"
        yield from (f"waiting: {why}" for why in self.waiting)
        if self.unreadable:
            yield f"packs left alone, because they cannot be read: {len(self.unreadable)}"
        if self.adopt:
            yield f"packs in use that no index names: {len(self.adopt)}"
        if self.missing:
            yield f"chunks that snapshots name and no pack holds: {self.missing}; verify says which files need them"

    def take(self) -> None:
        """Begin to carry out the plan; raises `PruneRefused` on a second call, and for a plan with refusals."""
        if self.used:
            raise PruneRefused("the plan was carried out before; plan anew")
        if self.refusals:
            raise PruneRefused("; ".join(self.refusals))
        self.used = True

    def agreed(self, now: PrunePlan) -> PrunePlan:
        """The steps of this plan that a plan made now also has. Raises `PruneRefused` when that one is refused."""
        if now.refusals:
            raise PruneRefused("; ".join(now.refusals))
        now.delete &= self.delete
        now.settled = [found for found in now.settled if found.packs <= now.delete | now.rescue]
        now.dead &= self.dead
        now.orphans &= self.orphans
        now.repack &= self.repack
        return now


def plan_make(facts: Facts, policy: Policy) -> PrunePlan:
    """The plan for these facts."""
    plan = PrunePlan(policy, refusals=list(_refusals(facts, policy)))
    plan.dead_marks = [mark.name for mark in facts.marks if facts.now - mark.at > LIFE]
    if not plan.refusals:
        _condemned(facts, plan)
        _condemn(facts, plan)
        plan.adopt = frozenset(pack for pack in facts.orphans if _is_used(facts, pack)) - facts.condemned
        plan.adopt |= plan.rescue & facts.orphans
        plan.unreadable = facts.unreadable
        plan.missing = facts.missing
        plan.deleted_snapshots = facts.deleted
        gone = set(facts.tombstones) - set(facts.deleted)
        plan.tombstones = [name for name in gone if facts.tombstones[name] + policy.grace <= facts.now]
        plan.kept = len(facts.listed) - len(plan.delete) - len(plan.dead) - len(plan.repack)
    return plan


def _refusals(facts: Facts, policy: Policy) -> Iterator[str]:
    if facts.damage:
        yield f"what cannot be read may name anything, so nothing is deleted: {facts.damage}"
        return
    if not facts.snapshots and facts.indexed and not policy.allow_empty:
        yield "packs are indexed, but no snapshot is listed"
    absent = policy.expected - set(facts.snapshots)
    if absent:
        yield f"{len(absent)} snapshots that should be there are not listed"
    unlisted = facts.indexed - facts.listed.keys()
    lost = [pack for pack in unlisted if pack not in facts.condemned or _is_used(facts, pack)]
    if lost:
        yield f"the index names {len(lost)} packs that are not listed; verify, then rebuild the index"
    if any(said - facts.now > CLOCK_TOLERANCE for said in _times(facts)):
        yield "a mark or condemnation is dated in the future: clocks differ by more than 5 minutes"


def _times(facts: Facts) -> Iterator[datetime]:
    yield from (mark.at for mark in facts.marks)
    yield from (found.at for found in facts.condemnations)


def _is_used(facts: Facts, pack: bytes) -> bool:
    use = facts.uses.get(pack)
    return use is not None and use.live > 0


def _condemned(facts: Facts, plan: PrunePlan) -> None:
    """Decide on the condemned packs. A condemnation waits for every writer that may have begun before it."""
    for found in sorted(facts.condemnations, key=lambda found: found.at):
        why = _waits(facts, plan.policy, found)
        if why:
            plan.waiting.append(f"{len(found.packs)} condemned packs: {why}")
            continue
        plan.settled.append(found)
        plan.rescue |= {pack for pack in found.packs if _is_used(facts, pack)}
        plan.delete |= found.packs - plan.rescue
    # A pack may be condemned twice, the second time less than a grace ago: the first one still deletes it.
    plan.rescue &= facts.listed.keys()
    plan.freed_now = sum(facts.listed.get(pack, 0) for pack in plan.delete)


def _waits(facts: Facts, policy: Policy, found: Condemnation) -> str | None:
    if found.at + policy.grace > facts.now:
        return "the grace is not over"
    if _is_being_written(facts, found):
        return "a snapshot that may use them is still being written"
    if found.packs & facts.unreadable and facts.missing:
        return "one of them cannot be read, and snapshots lack chunks"
    return None


def _is_being_written(facts: Facts, found: Condemnation) -> bool:
    """Whether a writer that may not have seen the condemnation still has its mark.

    The mark of a dead writer counts once more: this prune removes it, and the writer notices before the next prune.
    """
    return any(mark.kind is MarkKind.SNAPSHOT and mark.at < found.at + CLOCK_TOLERANCE for mark in facts.marks)


def _condemn(facts: Facts, plan: PrunePlan) -> None:
    """Decide on the packs that are not condemned yet."""
    writing = any(mark.kind is MarkKind.SNAPSHOT for mark in facts.marks)
    free = facts.listed.keys() - facts.condemned - facts.unreadable
    # A pack that no index names may belong to a running writer.
    plan.orphans = (
        frozenset() if writing else frozenset(pack for pack in facts.orphans & free if not _is_used(facts, pack))
    )
    indexed = {pack: facts.uses[pack] for pack in free & facts.indexed}
    plan.dead = plan.orphans | {pack for pack, use in indexed.items() if not use.live}
    living = {pack: use for pack, use in indexed.items() if use.live}
    plan.repack = frozenset(_repack(living, plan.policy))
    plan.copied = sum(living[pack].live_bytes for pack in plan.repack)
    given_up = plan.dead | plan.repack
    plan.freed_later = sum(facts.listed[pack] for pack in given_up) - plan.copied


def _repack(living: dict[bytes, PackUse], policy: Policy) -> Iterator[bytes]:
    """Packs with a large dead share, and small packs if there are at least two to merge.

    A pack with a damaged chunk stays: each prune would fail at it, and would copy its neighbours again.
    """
    for type_ in ChunkType:
        packs = {pack: use for pack, use in living.items() if use.type == type_ and not use.is_damaged}
        small = [pack for pack, use in packs.items() if use.size < policy.small_pack]
        if len(small) > 1:
            yield from small
        for pack, use in packs.items():
            if use.dead_share >= policy.dead_share:
                yield pack
