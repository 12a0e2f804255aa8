"""Pruning: unused packs are condemned, and a later prune deletes those that are still unused (FORMAT.md, Order)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from repository.checkpoint import Checkpoint, go_on
from repository.chunked.index.damaged import damage_consolidate
from repository.chunked.index.table import Table
from repository.chunked.maintenance.consolidate import index_replace
from repository.chunked.maintenance.exclusive import alone
from repository.chunked.maintenance.facts import Facts, Loaded, facts_load
from repository.chunked.maintenance.plan import CLOCK_TOLERANCE, MIB, Policy, PrunePlan, plan_make
from repository.chunked.maintenance.repack import PackCopier, spares_check
from repository.chunked.marks import WRITER_SECONDS_MAX, Mark, marks_list
from repository.chunked.objects import CONDEMNED, MARKS, PACKS, SNAPSHOTS, TOMBSTONES, id_new
from repository.chunked.repository import Repository, time_text
from repository.errors import PruneRefused
from repository.storage import StorageError, StorageFull

GRACE = timedelta(hours=24)
# The mark is checked again after this many deletions.
CHECK_EVERY = 64


@dataclass(slots=True)
class PruneResult:
    """The result of a prune. `deleted` and `condemned` count packs, `freed` and `copied` bytes in storage.

    `rescued`: condemned packs that are used after all. `partials`: half-written objects of dead writers that were
    removed. `damaged`: packs left alone, with reasons. `notes`: steps that could not be done.
    """

    deleted: int = 0
    freed: int = 0
    rescued: int = 0
    partials: int = 0
    condemned: int = 0
    copied: int = 0
    indexes_written: int = 0
    indexes_deleted: int = 0
    damaged: dict[bytes, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def prune_plan(
    repository: Repository,
    *,
    grace: timedelta = GRACE,
    dead_share: float = 0.3,
    small_pack: int = 8 * MIB,
    allow_empty: bool = False,
    expected: frozenset[bytes] = frozenset(),
    checkpoint: Checkpoint = go_on,
) -> PrunePlan:
    """Plan a prune; deletes nothing, and writes nothing but records of damage.

    The arguments are those of `Policy`.

    A plan with `refusals` will not be carried out. Raises `PruneRefused` when the storage does not answer, and any
    error of `checkpoint`.
    """
    policy = Policy(
        grace=grace, dead_share=dead_share, small_pack=small_pack, allow_empty=allow_empty, expected=expected
    )
    facts, _ = facts_load(repository, checkpoint)
    return plan_make(facts, policy)


def prune_execute(
    repository: Repository,
    plan: PrunePlan,
    *,
    sole: bool = False,
    progress: Callable[[int], None] | None = None,
    checkpoint: Checkpoint = go_on,
) -> PruneResult:
    """Carry out the steps that a second plan, made under a mark, confirms; a plan can be executed once.

    Half-written objects of writers that died more than a day ago are removed first, even if the plan is refused. `sole`
    is that of `exclusive.alone`. `progress` gets the bytes that were freed and copied so far.
    Raises `PruneRefused` (nothing was deleted), `PruneRunning`, `Overtaken`, `StorageError`. After any of them every
    listed snapshot is readable, and another prune finishes the work.
    """
    result = PruneResult()
    _partials_sweep(repository, result)
    plan.take()
    with alone(repository, sole=sole) as mark:
        facts, loaded = facts_load(repository, checkpoint)
        agreed = plan.agreed(plan_make(facts, plan.policy))
        return _Prune(repository, facts, loaded, agreed, mark, checkpoint, result).run(progress)


def _partials_sweep(repository: Repository, result: PruneResult) -> None:
    """Remove half-written objects. A writer gives up after a day, so an older one is a dead writer's."""
    try:
        result.partials = repository.objects.storage.partials_sweep(older_than_seconds=WRITER_SECONDS_MAX)
    except StorageError as error:
        result.notes.append(f"half-written objects of dead writers could not be removed: {error}")


class _Prune:
    """A running prune."""

    def __init__(
        self,
        repository: Repository,
        facts: Facts,
        loaded: Loaded,
        plan: PrunePlan,
        mark: Mark,
        checkpoint: Checkpoint,
        result: PruneResult,
    ) -> None:
        self._repository = repository
        self._objects = repository.objects
        self._facts = facts
        self._loaded = loaded
        self._plan = plan
        self._mark = mark
        self._checkpoint = checkpoint
        self._progress: Callable[[int], None] | None = None
        self._copier = PackCopier(repository, facts, loaded)
        self._result = result

    def run(self, progress: Callable[[int], None] | None) -> PruneResult:
        """Delete before repacking: deletion makes room for the copies."""
        self._progress = progress
        self._delete()
        copied = self._repack()
        self._condemn(frozenset(self._plan.dead | copied))
        self._leftovers()
        return self._result

    def _check(self) -> None:
        """Raise `Overtaken` when the mark is gone, and any error that the checkpoint raises."""
        self._checkpoint()
        self._mark.check()
        if self._progress is not None:
            self._progress(self._result.freed + self._copier.copied)

    def _delete(self) -> None:
        """Rewrite the index without the packs, delete the packs, then the condemnations: no entry outlives its pack."""
        broken = spares_check(self._repository, self._loaded, self._plan.delete)
        if broken:
            self._result.notes.append(f"{len(broken)} packs are kept: of what they hold, the other copy is damaged")
        going = self._plan.delete - broken
        self._result.rescued = len(self._plan.rescue | broken)
        if self._index_rewrite(going):
            self._packs_delete(going)
        else:
            # The storage has no room for an index. Writers and readers avoid condemned packs, so these may be deleted
            # first: the condemnation stays until an index without them is written.
            self._packs_delete(going)
            if not self._index_rewrite(going):
                self._result.notes.append("the storage has no room for a new index; the next prune writes it")
                return
        for found in self._plan.settled:
            self._objects.delete(CONDEMNED, found.name)

    def _index_rewrite(self, going: frozenset[bytes]) -> bool:
        """Rewrite the index; False if the storage has no room for it."""
        orphans = self._loaded.orphans
        added = Table.merge([orphans], without=frozenset(found.pack for found in orphans.packs) - self._plan.adopt)
        try:
            written, deleted = index_replace(
                self._objects, self._loaded.parts, without=going, added=added, check=self._check
            )
        except StorageFull:
            return False
        self._result.indexes_written += written
        self._result.indexes_deleted += deleted
        return True

    def _packs_delete(self, going: frozenset[bytes]) -> None:
        for number, pack in enumerate(sorted(going)):
            if number % CHECK_EVERY == 0:
                self._check()
            self._objects.delete(PACKS, pack)
            if pack in self._facts.listed:
                self._result.deleted += 1
                self._result.freed += self._facts.listed[pack]

    def _repack(self) -> set[bytes]:
        """Copy live chunks out; return the packs that are no longer needed."""
        copier = self._copier
        copier.copy(self._plan.repack, check=self._check)
        self._result.copied = copier.copied
        self._result.damaged = copier.damaged
        if copier.full:
            self._result.notes.append("the storage has no room to copy what is used out of packs that are mostly dead")
        return copier.settled

    def _condemn(self, packs: frozenset[bytes]) -> None:
        """Condemn packs: no new snapshot may refer to them from now on."""
        if not packs:
            return
        self._check()
        name, at = id_new(), self._repository.clock()
        try:
            self._objects.put_map(CONDEMNED, name, {"at": time_text(at), "packs": b"".join(sorted(packs))})
        except StorageFull:
            self._result.notes.append("the storage has no room to condemn packs; nothing of that was done")
            return
        self._clocks_agree(name, at)
        self._result.condemned = len(packs)

    def _clocks_agree(self, condemnation: bytes, at: datetime) -> None:
        """Refuse if clocks disagree: a writer that did not see the condemnation would pass for one that began later.

        That happens to a writer whose clock is fast, or that began while the condemnation was being stored slowly.
        """
        now = self._repository.clock()
        if now - at >= CLOCK_TOLERANCE:
            self._objects.delete(CONDEMNED, condemnation)
            raise PruneRefused("a condemnation took more than 5 minutes to be stored")
        if any(found.at - now > CLOCK_TOLERANCE for found in marks_list(self._objects)):
            self._objects.delete(CONDEMNED, condemnation)
            raise PruneRefused("a mark is dated in the future: clocks differ by more than 5 minutes")

    def _leftovers(self) -> None:
        """Delete leftover roots, tombstones past the grace time, marks of dead writers, and old damage records."""
        self._check()
        for snapshot in self._plan.deleted_snapshots:
            self._objects.delete(SNAPSHOTS, snapshot)
        for snapshot in self._plan.tombstones:
            self._objects.delete(TOMBSTONES, snapshot)
        for name in self._plan.dead_marks:
            self._objects.delete(MARKS, name)
        self._repository.damage.settle()
        with suppress(StorageFull):
            damage_consolidate(self._objects)
