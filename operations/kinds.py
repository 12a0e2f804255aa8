"""Kinds of operations: everything that differs between kinds is in one value each. Apps register theirs at start-up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from operations.states import OperationState
from orders.rights import OrderRight

ATTEMPTS = 3
"""Attempts for work that kills its worker or fails in its sidecar."""

Text = str | Promise

WORKING = _("Working")
WAITS = _("Other work is going on. This is possible again when it has ended.")


class Named(Protocol):
    """Any row with the name of a kind: an operation, or a tally."""

    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A kind in the words of its customer; `%(name)s` in an ending is the name of the backup it is about.

    title: the entry in a history. running: the phase, while no finer one is known. waits: the reason why other work
    must wait. endings: the sentence for each end. problems: each end in a few words, shown beside the backup.
    """

    title: Text
    running: Text = WORKING
    waits: Text = WAITS
    endings: Mapping[OperationState, Text] = field(default_factory=dict)
    problems: Mapping[OperationState, Text] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationKind:
    """One kind of operation.

    run: dotted path of its work, `(operation, lease)`; None for a hold, which no worker runs. unsuccessful: dotted path
    of a function `(operation, error)`, called in the transaction that ends an operation without success. cancel_right:
    the right on the order that a cancel needs; None when the kind cannot be cancelled. exclusive: excludes other
    exclusive operations on its order; on a repository each kind excludes itself. attempts: the maximum of attempts;
    None for no limit. on_host: the work reads or writes through the sidecar of its order, and counts towards the limit
    of that host.
    """

    name: str
    words: Words
    run: str | None
    unsuccessful: str | None = None
    cancel_right: OrderRight | None = None
    exclusive: bool = True
    attempts: int | None = ATTEMPTS
    on_host: bool = False


_KINDS: dict[str, OperationKind] = {}


def kinds_register(kinds: Iterable[OperationKind]) -> None:
    """Make kinds known, each name once."""
    for kind in kinds:
        if kind.name in _KINDS:
            raise RuntimeError(f"There are two kinds of operations named {kind.name}.")
        _KINDS[kind.name] = kind


def kinds_all() -> tuple[OperationKind, ...]:
    """Every kind, in the order of their registration."""
    return tuple(_KINDS.values())


def kind_of(row: Named) -> OperationKind:
    """The kind of an operation. Raises KeyError for one that no installed app knows."""
    return _KINDS[row.kind]


def kind_choices() -> list[tuple[str, Text]]:
    """Names and titles, for filters and schemas."""
    return [(kind.name, kind.words.title) for kind in _KINDS.values()]
