"""The storage targets under test."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from repository.retrying import Retry, RetryingStorage
from repository.storage import Storage
from targets.local import LocalStorage
from targets.s3 import S3Storage
from targets.s3_kind import S3Settings
from tests.services.seaweedfs import S3Server, s3_client, seaweedfs
from tests.storage.memory import FaultyStorage, MemoryStorage
from tests.storage.s3_double import BUCKET, PROVIDERS, REGION, S3Double, s3_double


@dataclass(frozen=True, slots=True)
class Target:
    """A storage, and a count of its incomplete and leftover objects."""

    storage: Storage
    leftovers: Callable[[], list[str]]
    exclusive: bool = True
    """Whether one of two writers that commit at once is refused."""
    fill: Callable[[list[str]], None] | None = None
    """Stores an empty object at each key, by a shorter way than one write after the other."""


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def s3_observer(s3_server: S3Server) -> Iterator[Any]:
    """A client beside the product's, which inspects a bucket."""
    with closing(s3_client(s3_server)) as client:
        yield client


@pytest.fixture
def s3_settings(s3_server: S3Server) -> S3Settings:
    """A prefix of the bucket that no other test uses."""
    return S3Settings(
        endpoint_url=s3_server.endpoint,
        region="us-east-1",
        bucket=s3_server.bucket,
        prefix=f"test-{uuid.uuid4().hex}",
        access_key=s3_server.access_key,
        secret_key=s3_server.secret_key,
        path_style=True,
        conditional_writes=True,
    )


@pytest.fixture
def s3_target(s3_settings: S3Settings, s3_observer: Any) -> Iterator[Target]:
    def uploads() -> list[str]:
        page = s3_observer.list_multipart_uploads(Bucket=s3_settings.bucket, Prefix=s3_settings.prefix)
        return [upload["Key"] for upload in page.get("Uploads", [])]

    with closing(S3Storage(s3_settings)) as storage:
        yield Target(storage, uploads)


@pytest.fixture
def local_target(tmp_path: Path) -> Target:
    def partials() -> list[str]:
        return [path.name for path in (tmp_path / ".partial").glob("*")]

    return Target(LocalStorage(tmp_path), partials)


@pytest.fixture
def memory_target() -> Target:
    return Target(MemoryStorage(), list)


AT_ONCE = Retry(sleep=lambda _: None)
"""The product's number of attempts, without its pauses."""


@contextmanager
def tried_again(settings: S3Settings, retry: Retry = AT_ONCE) -> Iterator[RetryingStorage]:
    """A bucket as the product opens it."""
    with closing(S3Storage(settings, retry)) as storage:
        yield RetryingStorage(storage, retry)


def double_settings(double: S3Double, **changed: Any) -> S3Settings:
    """The product's settings for the double."""
    settings = S3Settings(
        endpoint_url=double.endpoint,
        region=REGION,
        bucket=BUCKET,
        prefix="in/front",
        access_key="an-access-key",
        secret_key="a-secret-key",
        path_style=True,
        conditional_writes="no conditions" not in double.rules,
    )
    return replace(settings, **changed)


@contextmanager
def double_target(*rules: str) -> Iterator[tuple[Target, S3Double]]:
    """A storage on a double with these rules."""
    with s3_double(*rules) as double, tried_again(double_settings(double)) as storage:
        exclusive = "no conditions" not in rules

        def fill(keys: list[str]) -> None:
            double.objects |= {f"in/front/{key}": (b"", {}) for key in keys}

        yield Target(storage, lambda: [upload.key for upload in double.uploads.values()], exclusive, fill), double


PLAIN = ("memory", "local", "s3")
FAULTY = [(at, fault) for at in range(1, 5) for fault in ("once", "reply_lost")]


KINDS = (*PLAIN, *PROVIDERS, *(f"retrying {kind}" for kind in PLAIN), *(f"{fault} {at}" for at, fault in FAULTY))


@pytest.fixture(params=KINDS)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """Each kind of target, then each below a retrying storage, then with an n-th call that fails below it."""
    wrapper, _, name = request.param.rpartition(" ")
    if name in PROVIDERS:
        with double_target(*PROVIDERS[name]) as (found, _):
            yield found
    elif name in PLAIN:
        found = request.getfixturevalue(f"{name}_target")
        yield replace(found, storage=RetryingStorage(found.storage)) if wrapper else found
    else:
        # Hold every object: bytes that are written as they come have one try.
        request.getfixturevalue("monkeypatch").setattr("repository.retrying.HELD_SIZE_MAX", 1 << 50)
        # Every test of the suite runs below each of these, even tests that make fewer calls.
        faulty = FaultyStorage(MemoryStorage(), at=int(name), fault=wrapper, must_strike=False)
        yield Target(RetryingStorage(faulty, AT_ONCE), list)


@pytest.fixture
def storage(target: Target) -> Storage:
    return target.storage
