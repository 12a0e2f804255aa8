"""Looks at many servers at once: what their sidecars have seen of the games, and how much has changed.

A sidecar that does not answer delays nobody: each has a short time, is asked no more after the first failure, and many
are asked in parallel. The database is used by the caller's thread alone, before and after the asking.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar
from uuid import UUID, uuid4

from backups.errors import SidecarUnavailableError
from backups.selectors import backup_newest_good
from backups.services.exclusion import exclude_of
from backups.services.sidecars import DATA, sidecar_errors
from common.errors import ApplicationError
from orders.patterns import patterns_of
from provisions.models import Provision, ProvisionKind
from provisions.selectors import sidecar_among
from provisions.services.sidecar_address import sidecar_address
from sidecar_client.client import SidecarClient, Ticket, Timeouts
from sidecar_client.values import Address, GameState

__all__ = ["GameState", "changes_look", "games_look"]

AT_ONCE = 32
"""How many sidecars are asked at the same time."""
PATIENCE = Timeouts(describe=3.0, preview=20.0)

T = TypeVar("T")
Answers = dict[UUID, T | ApplicationError]
"""By the id of the server: the answer, or why there is none. A server for which there was no time is missing."""


@dataclass(frozen=True, slots=True)
class _Question(Generic[T]):
    """`same`: equal for questions of one sidecar that have the same answer; they are asked once."""

    server: UUID
    address: Address
    same: Hashable
    ask: Callable[[SidecarClient], T]


def games_look(servers: Iterable[Provision], *, until: float) -> Answers[GameState | None]:
    """What the sidecars of these servers have seen of their games; None where a sidecar does not look.

    until: the monotonic time after which no sidecar is asked any more. Call it outside a transaction.
    """
    return _ask(servers, lambda _server, _sidecar: (None, lambda client: client.describe().game), until=until)


def changes_look(servers: Iterable[Provision], *, until: float) -> Answers[int]:
    """The bytes of files that have changed since the newest good backup of each server, all where there is none.

    A count of names and sizes, after the patterns of the server and the plan. As `games_look`.
    """
    return _ask(servers, _changed_bytes, until=until)


def _changed_bytes(server: Provision, sidecar: Provision) -> tuple[Hashable, Callable[[SidecarClient], int]]:
    plan = server.order.plan
    patterns = patterns_of(server.exclude)
    exclude = exclude_of(plan=plan, game_profile=sidecar.game_profile, of_server=patterns, of_backup=())
    last = backup_newest_good(server)
    since_ns = int(last.created_at.timestamp() * 10**9) if last else 0

    def ask(client: SidecarClient) -> int:
        counted = client.backup_estimate(source=DATA, exclude=exclude, changed_since_ns=since_ns, paths_limit=0)
        return counted.changed_bytes

    return server.id, ask


def _ask(
    servers: Iterable[Provision],
    question: Callable[[Provision, Provision], tuple[Hashable, Callable[[SidecarClient], T]]],
    *,
    until: float,
) -> Answers[T]:
    found = list(servers)
    sidecars = _sidecars(found)
    answers: Answers[T] = {}
    by_sidecar: dict[str, list[_Question[T]]] = {}
    for server in found:
        try:
            sidecar = sidecar_among(sidecars.get(server.order_id, ()), server)
            with sidecar_errors(lambda: None):
                address = sidecar_address(sidecar)
            by_sidecar.setdefault(address.target, []).append(_Question(server.id, address, *question(server, sidecar)))
        except ApplicationError as error:
            answers[server.id] = error
    if by_sidecar:
        with ThreadPoolExecutor(min(AT_ONCE, len(by_sidecar)), thread_name_prefix="look") as threads:
            for some in threads.map(partial(_answers, until=until), by_sidecar.values()):
                answers.update(some)
    return answers


def _sidecars(servers: Iterable[Provision]) -> Mapping[UUID, list[Provision]]:
    # Without the secret: one that cannot be decrypted must not hide the others.
    rows = Provision.objects.filter(kind=ProvisionKind.SIDECAR, order__in=[server.order_id for server in servers])
    return {row.order_id: [row] for row in rows.defer("token")}


def _answers(questions: Iterable[_Question[T]], *, until: float) -> Answers[T]:
    """The answers of one sidecar."""
    known: dict[Hashable, T | ApplicationError] = {}
    answers: Answers[T] = {}
    away: ApplicationError | None = None
    for question in questions:
        same = (question.address, question.same)
        if away is None and same not in known:
            if time.monotonic() >= until:
                break
            known[same] = answer = _answer(question)
            away = answer if isinstance(answer, SidecarUnavailableError) else None
        answers[question.server] = known[same] if away is None else away
    return answers


def _answer(question: _Question[T]) -> T | ApplicationError:
    address = question.address
    # No operation: a call with the fence 0 is not stored.
    ticket = Ticket(operation=f"look-{uuid4()}", fence=0)
    try:
        with (
            sidecar_errors(lambda: None),
            SidecarClient(
                address=address.target, token=address.token, tls=address.tls, ticket=ticket, timeouts=PATIENCE
            ) as client,
        ):
            return question.ask(client)
    except ApplicationError as error:
        return error
