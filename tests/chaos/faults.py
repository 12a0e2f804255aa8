"""Faults at one call of a worker to its storage, its sidecar or its database, counted from 1."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any, TypeVar

import grpc
from django.db import OperationalError, connection

from repository import retrying
from repository.storage import StorageFull, StorageUnavailable
from sidecar_client import client as sidecar_client
from sidecar_client.methods import Methods
from targets import local
from targets.local import LocalStorage
from tests.storage.memory import FaultyStorage

Result = TypeVar("Result")

EDGES = ("storage", "wire", "database")
FAILURES = ("once", "forever", "reply_lost")
"""The call fails without effect; it and every later call do; it takes effect, but fails nevertheless."""
EVENTS = ("pause", "overtaken", "cancel", "cancel_overdue", "second_bell", "sidecar_killed", "sidecar_gone")
"""Actions of the parent while the worker waits at the call."""
LONGEST = {"storage": 14, "wire": 10, "database": 32}
"""The approximate number of calls of a create or a restore of a small tree."""


class Cut(grpc.RpcError):
    """A call that ended without an answer of the peer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`kind` is one of FAILURES and EVENTS, `full` of the storage, `die` or `die_after`; `at` counts from 1."""

    edge: str
    kind: str
    at: int

    def __str__(self) -> str:
        return f"{self.kind} at call {self.at} of the {self.edge}"


def fault_draw(rng: Random) -> Fault:
    """Draw any fault, at a call that may come."""
    edge = rng.choice(EDGES)
    kinds = [*FAILURES, *EVENTS, "die", "die_after", *(["full"] if edge == "storage" else [])]
    return Fault(edge, rng.choice(kinds), rng.randint(1, rng.randint(2, LONGEST[edge])))


class Injection:
    """Counts the calls of one worker, and causes the fault at the chosen one; `tell` asks the parent to act."""

    def __init__(self, fault: Fault | None, tell: Callable[[str], None]) -> None:
        self.counts = dict.fromkeys(EDGES, 0)
        self._fault = fault
        self._tell = tell
        self._lock = threading.Lock()

    def call(self, edge: str, name: str, action: Callable[[], Result]) -> Result:
        """Carry a call out, or fail it as chosen."""
        with self._lock:
            self.counts[edge] += 1
            number = self.counts[edge]
        fault = self._fault
        if fault is None or fault.edge != edge or not self._hit(fault, number):
            return action()
        if fault.kind in EVENTS and (connection.in_atomic_block or name == "COMMIT"):
            # Otherwise the parent would wait for a transaction that waits for the parent.
            self._fault = replace(fault, at=number + 1)
            return action()
        what = f"scripted: {fault.kind} at call {number}, {name}"
        self._tell(f"fault {fault.kind} {name}")
        if fault.kind in EVENTS:
            self._tell(fault.kind)
            return action()
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


class _Storage(FaultyStorage):
    def __init__(self, inner: LocalStorage, injection: Injection) -> None:
        super().__init__(inner, at=0)
        self._injection = injection

    def call(self, name: str, action: Callable[[], Result]) -> Result:
        return self._injection.call("storage", name, action)


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
        if isinstance(self._method, grpc.UnaryStreamMultiCallable):
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

    def cancel(self) -> None:
        self._call.cancel()


class _FaultyFuture:
    def __init__(self, name: str, call: Any, injection: Injection) -> None:
        self._name = name
        self._call = call
        self._injection = injection

    def result(self, timeout: float | None = None) -> Any:
        return self._injection.call("wire", f"{self._name} reply", lambda: self._call.result(timeout=timeout))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)
