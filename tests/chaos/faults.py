"""Faults at one call of a worker to its storage, its sidecar or its database, counted from 1."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any, TypeVar, cast

import grpc
from django.db import OperationalError, connection

from repository import retrying
from repository.storage import ObjectInfo, StorageFull, StorageUnavailable
from sidecar_client import client as sidecar_client
from sidecar_client.methods import Methods
from sidecar_client.values import Timeouts
from targets import local
from targets.local import LocalStorage
from tests.storage.memory import FaultyStorage

Result = TypeVar("Result")

EDGES = ("storage", "wire", "database")
FAILURES = ("once", "forever", "reply_lost")
"""The call fails without effect; it and every later call do; it takes effect, but fails nevertheless."""
EVENTS = (
    "pause", "overtaken", "cancel", "cancel_overdue", "second_bell", "sidecar_killed", "sidecar_gone",
    "sidecar_stalled", "pruned", "pruned_days",
)  # fmt: skip
"""Actions of the parent while the worker waits at the call."""
LIST_EMPTY = "list_empty"
"""A listing of the storage is empty, as if nothing was there."""
PRUNE_EVENTS = ("backup", "pruned")
"""Those while a prune waits."""
PLACES = {
    "create": [
        ("wire", "scan_tree"), ("wire", "read_tree"), ("wire", "commit_tree"), ("storage", "commit pack"),
        ("storage", "commit index"), ("storage", "commit root"), ("storage", "commit mark"), ("storage", "list"),
    ],
    "restore": [("wire", "restore_tree"), ("storage", "read root"), ("storage", "read pack"), ("storage", "list")],
    "delete": [("storage", "commit tombstone"), ("storage", "delete root")],
    "verify": [("storage", "read root"), ("storage", "read pack"), ("storage", "list")],
    "prune": [
        ("storage", "list root"), ("storage", "read root"), ("storage", "commit mark"),
        ("storage", "commit condemnation"), ("storage", "delete pack"),
    ],
}  # fmt: skip
"""The calls of a snapshot's operations that are drawn by name, by their edges."""
STALL_SECONDS = 1.5
OBJECTS = {
    "packs": "pack", "index": "index", "snapshots": "root", "marks": "mark", "tombstones": "tombstone",
    "condemned": "condemnation", "damaged": "damage", "keys": "key",
}  # fmt: skip
LONGEST = {"storage": 14, "wire": 10, "database": 32}
"""The approximate number of calls of a create or a restore of a small tree."""


class Cut(grpc.RpcError):
    """A call that ended without an answer of the peer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`kind` is one of FAILURES and EVENTS, `full` of the storage, `die` or `die_after`.

    `at` counts from 1, of all calls of an edge, or of those with `place` in their names.
    """

    edge: str
    kind: str
    at: int
    place: str = ""

    def __str__(self) -> str:
        return f"{self.kind} at call {self.at} of the {self.edge}{self.place and ': '}{self.place}"


def fault_draw(rng: Random, operation: str, *, snapshot: bool) -> Fault:
    """Draw any fault, at a call that may come in such an operation."""
    edge, place, longest = rng.choice(EDGES), "", 0
    if snapshot and rng.random() < 0.5:
        edge, place = rng.choice(PLACES["restore" if operation == "undo" else operation])
        longest = 2
    return Fault(edge, rng.choice(kinds_of(edge)), rng.randint(1, rng.randint(1, longest or LONGEST[edge])), place)


def never_fired(points: Counter[str]) -> list[str]:
    """The faults at the named calls that are not among those that occurred."""
    named = {(edge, place) for places in PLACES.values() for edge, place in places}
    return sorted(
        f"{place}: {kind}"
        for edge, place in named
        for kind in kinds_of(edge)
        if not any(place in point and point.endswith(f": {kind}") for point in points)
    )


def kinds_of(edge: str) -> list[str]:
    """The faults of an edge."""
    return [*FAILURES, *EVENTS, "die", "die_after", *(["full"] if edge == "storage" else [])]


class Injection:
    """Counts the calls of one worker, and causes the fault at the chosen one; `tell` asks the parent to act."""

    def __init__(self, fault: Fault | None, tell: Callable[[str], None]) -> None:
        self._count = 0
        self._fault = fault
        self._tell = tell
        self._lock = threading.Lock()

    def call(self, edge: str, name: str, action: Callable[[], Result]) -> Result:
        """Carry a call out, or fail it as chosen."""
        fault = self._fault
        if fault is None or fault.edge != edge or fault.place not in name:
            return action()
        with self._lock:
            self._count += 1
            number = self._count
        if not self._hit(fault, number):
            return action()
        is_event = fault.kind in EVENTS or fault.kind in PRUNE_EVENTS
        if is_event and (connection.in_atomic_block or name == "COMMIT"):
            # Otherwise the parent would wait for a transaction that waits for the parent.
            self._fault = replace(fault, at=number + 1)
            return action()
        what = f"scripted: {fault.kind} at call {number}, {name}"
        self._tell(f"fault {fault.kind} {name}")
        if is_event:
            self._tell(fault.kind)
            return action()
        if fault.kind == LIST_EMPTY:
            return cast("Result", iter(()))
        if fault.kind in ("reply_lost", "die_after"):
            action()
        if fault.kind.startswith("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        raise _error(edge, fault.kind, what)

    @staticmethod
    def _hit(fault: Fault, number: int) -> bool:
        return number == fault.at or (fault.kind == "forever" and number > fault.at)

    def install(self) -> None:
        """Wrap the three edges of this process permanently."""
        # The edges by name: every storage and sidecar that this process opens passes through these.
        setattr(local, "LocalStorage", lambda root: _Storage(LocalStorage(root), self))  # noqa: B010
        if self._fault is not None and self._fault.kind == "sidecar_stalled":
            short = partial(Timeouts, describe=STALL_SECONDS, reply=STALL_SECONDS, stall=STALL_SECONDS)
            setattr(sidecar_client, "Timeouts", short)  # noqa: B010
        setattr(sidecar_client, "Methods", lambda channel: _FaultyMethods(channel, self))  # noqa: B010
        setattr(retrying, "PAUSE_SECONDS", 0)  # noqa: B010
        connection.execute_wrappers.append(self._query)
        commit = connection._commit
        setattr(connection, "_commit", lambda: self.call("database", "COMMIT", commit))  # noqa: B010

    def _query(self, execute: Callable[..., Any], sql: str, params: Any, many: Any, context: Any) -> Any:
        return self.call("database", sql.split(maxsplit=1)[0], lambda: execute(sql, params, many, context))


def _error(edge: str, kind: str, what: str) -> Exception:
    if edge == "storage":
        return StorageFull(what) if kind == "full" else StorageUnavailable(what)
    return OperationalError(what) if edge == "database" else Cut(what)


class _Storage:
    """A storage whose calls are named by the kind of object they are about."""

    def __init__(self, inner: LocalStorage, injection: Injection) -> None:
        self._inner = inner
        self._injection = injection

    def _of(self, key: str) -> _StorageOf:
        return _StorageOf(self._inner, self._injection, _object_of(key))

    def writer(self, key: str, *, expected_size: int) -> Any:
        return self._of(key).writer(key, expected_size=expected_size)

    def read(self, key: str, *, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        return self._of(key).read(key, start=start, stop=stop)

    def size(self, key: str) -> int:
        return self._of(key).size(key)

    def delete(self, key: str) -> None:
        self._of(key).delete(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self._of(prefix).list(prefix)

    def partials_sweep(self, *, older_than_seconds: float) -> int:
        return self._of("").partials_sweep(older_than_seconds=older_than_seconds)


class _StorageOf(FaultyStorage):
    def __init__(self, inner: LocalStorage, injection: Injection, what: str) -> None:
        super().__init__(inner, at=0)
        self._injection = injection
        self._what = what

    def call(self, name: str, action: Callable[[], Result]) -> Result:
        return self._injection.call("storage", f"{name} {self._what}", action)


def _object_of(key: str) -> str:
    folder, _, rest = key.partition("/")
    if folder == "repositories":
        return OBJECTS.get((*rest.split("/"), "", "")[2], "repository")
    if folder == "keys":
        return "key copy"
    return "beside an archive" if key.endswith((".manifest", ".listing")) else "archive"


class _FaultyMethods:
    """The wire's methods; each message of a stream counts as a call."""

    def __init__(self, channel: grpc.Channel, injection: Injection) -> None:
        for name, method in vars(Methods(channel)).items():
            setattr(self, name, _FaultyMethod(name, method, injection))


class _FaultyMethod:
    def __init__(self, name: str, method: Any, injection: Injection) -> None:
        self._name = name
        self._method = method
        self._injection = injection

    def __call__(self, *args: Any, **options: Any) -> Any:
        if isinstance(self._method, grpc.UnaryStreamMultiCallable | grpc.StreamStreamMultiCallable):
            return _FaultyReplies(self._name, self._method(*args, **options), self._injection)
        return self._injection.call("wire", self._name, lambda: self._method(*args, **options))

    def future(self, *args: Any, **options: Any) -> Any:
        return _FaultyFuture(self._name, self._method.future(*args, **options), self._injection)


class _FaultyReplies:
    def __init__(self, name: str, call: Any, injection: Injection) -> None:
        self._name = name
        self._call = call
        self._injection = injection

    def __iter__(self) -> Iterator[Any]:
        replies = iter(self._call)
        while (reply := self._injection.call("wire", f"{self._name} reply", lambda: next(replies, None))) is not None:
            yield reply

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


class _FaultyFuture:
    def __init__(self, name: str, call: Any, injection: Injection) -> None:
        self._name = name
        self._call = call
        self._injection = injection

    def result(self, timeout: float | None = None) -> Any:
        return self._injection.call("wire", f"{self._name} reply", lambda: self._call.result(timeout=timeout))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)
