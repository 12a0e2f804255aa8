"""Exclusion: a prune and a rebuild of the index change other writers' objects, so only one may run at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from repository.chunked.marks import LIFE, Mark, MarkKind, mark_set, marks_list
from repository.chunked.objects import MARKS
from repository.chunked.repository import Repository
from repository.errors import PruneRefused, PruneRunning
from repository.storage import StorageFull


@contextmanager
def alone(repository: Repository, *, sole: bool = False) -> Iterator[Mark]:
    """Hold a prune's mark for the length of the block, after a check that no other prune has one.

    Two that begin at once see each other's marks, and both give up. The mark of a dead prune is removed. sole: the
    caller knows that any other prune is dead; one that lives all the same notices at its next check. Raises
    `PruneRunning`, `PruneRefused` when there is no room for the mark, `Damage`, `StorageError`.
    """
    objects = repository.objects
    with ExitStack() as stack:
        try:
            mark = stack.enter_context(mark_set(objects, kind=MarkKind.PRUNE, at=repository.time()))
        except StorageFull as error:
            raise PruneRefused("the storage has no room even for the prune's mark; nothing was deleted") from error
        for other in marks_list(objects):
            if other.kind is not MarkKind.PRUNE or other.name == mark.name:
                continue
            if not sole and repository.clock() - other.at <= LIFE:
                raise PruneRunning("another prune is at work; nothing was changed")
            objects.delete(MARKS, other.name)
        yield mark
