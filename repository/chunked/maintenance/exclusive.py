"""Only one at a time changes what others wrote: a prune, or a rebuild of the index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from repository.chunked.marks import LIFE, Mark, MarkKind, mark_set, marks_list
from repository.chunked.objects import MARKS
from repository.chunked.repository import Repository
from repository.errors import PruneRefused, PruneRunning
from repository.storage import StorageFull


@contextmanager
def alone(repository: Repository) -> Iterator[Mark]:
    """Have a prune's mark in storage, and know that nobody else has one.

    Two who begin at once both see each other, and both give up; the mark of one that must be dead is removed. Raises
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
            if repository.clock() - other.at <= LIFE:
                raise PruneRunning("another prune is at work; nothing was changed")
            objects.delete(MARKS, other.name)
        yield mark
