"""The number of attempts of each request, counted at the S3 double and at system calls, for both formats."""

from __future__ import annotations

import errno
import gc
import os
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.repository import repository_create, repository_open
from repository.retrying import TRIES, Retry, RetryingStorage
from repository.storage import Storage, StorageError, StorageUnavailable
from targets import s3_upload
from targets.local import LOCAL, LocalSettings
from targets.registry import storage_open
from targets.s3 import S3Storage
from targets.s3_kind import S3
from tests.storage.conftest import AT_ONCE, double_settings
from tests.storage.s3_double import S3Double, s3_double

MIB = 1 << 20
LARGE = 9 * MIB
FOR_EVER = 1 << 30
KEYS: dict[str, Any] = {"tenant": UUID(int=1), "repository": UUID(int=2), "keys": DataKey(b"k" * 32)}


class Cancelled(Exception):
    """The error of the tests' checkpoints."""


def store(storage: Storage, size: int, key: str = "new", *, expected_size: int = 0) -> None:
    """Store an object as an archive is stored, with an expected size."""
    with storage.writer(key, expected_size=expected_size or size) as writer:
        for _ in range(0, size, MIB):
            writer.write(bytes(min(size, MIB)))
        writer.commit()


CALLS: dict[str, Callable[[RetryingStorage], object]] = {
    "Head": lambda storage: storage.size("key"),
    "Get": lambda storage: list(storage.read("key")),
    "Delete": lambda storage: storage.delete("key"),
    "List": lambda storage: list(storage.list("")),
    "ListUploads": lambda storage: storage.partials_sweep(older_than_seconds=0),
    "Put": lambda storage: store(storage, 5),
    "Create": lambda storage: store(storage, LARGE),
    "Complete": lambda storage: store(storage, LARGE),
}


@pytest.fixture
def double() -> Iterator[S3Double]:
    with s3_double() as service:
        service.objects["in/front/key"] = (b"data", {})
        yield service


def bucket(double: S3Double, retry: Retry = AT_ONCE) -> RetryingStorage:
    return storage_open(S3, double_settings(double), retry)


def away(double: S3Double, kind: str, times: int = FOR_EVER) -> None:
    double.asked.clear()
    double.away, double.away_times = kind, times


def asked(double: S3Double) -> Counter[str]:
    return Counter(kind for kind, _ in double.asked)


@pytest.mark.parametrize("kind", CALLS)
def test_request_to_a_bucket_has_six_attempts(double: S3Double, kind: str) -> None:
    away(double, kind)
    with pytest.raises(StorageUnavailable, match="503"):
        CALLS[kind](bucket(double))
    assert asked(double)[kind] == TRIES


@pytest.mark.parametrize("kind", [*CALLS, "UploadPart"])
def test_request_that_is_refused_five_times_succeeds(double: S3Double, kind: str) -> None:
    away(double, kind, times=TRIES - 1)
    CALLS.get(kind, CALLS["Create"])(bucket(double))
    assert asked(double)[kind] == TRIES + (kind == "UploadPart")


def test_part_of_an_archive_has_six_attempts(double: S3Double) -> None:
    away(double, "UploadPart")
    with pytest.raises(StorageUnavailable, match="part"):
        store(bucket(double), 8 * MIB, expected_size=LARGE)
    assert asked(double) == {"Create": 1, "UploadPart": TRIES, "Abort": 1}


def test_abort_has_three_attempts(double: S3Double) -> None:
    away(double, "Abort")
    with suppress(RuntimeError), bucket(double).writer("new", expected_size=LARGE) as writer:
        writer.write(bytes(8 * MIB))
        raise RuntimeError
    assert asked(double)["Abort"] == 3


@pytest.mark.parametrize("opened", [bucket, lambda double: S3Storage(double_settings(double))])
def test_request_of_a_repository_has_six_attempts(
    double: S3Double, opened: Callable[[S3Double], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A storage with retries, as the portal opens it, has no more attempts than one without."""
    monkeypatch.setattr("repository.retrying.PAUSE_SECONDS", 0)
    repository_create(opened(double), **KEYS)
    for kind, call in (
        ("Put", lambda: repository_create(opened(double), **{**KEYS, "repository": UUID(int=3)})),
        ("List", lambda: repository_open(opened(double), **KEYS)),
        ("Get", lambda: repository_open(opened(double), **KEYS)),
    ):
        away(double, kind)
        with pytest.raises(StorageUnavailable):
            call()
        assert asked(double)[kind] == TRIES


def test_part_of_a_pack_has_six_attempts(double: S3Double) -> None:
    away(double, "UploadPart")
    with pytest.raises(StorageUnavailable, match="part"):
        bucket(double).put("pack", [bytes(8 * MIB)])
    assert asked(double) == {"Create": 1, "UploadPart": TRIES, "Abort": 1}


def test_page_of_a_list_is_retried_alone(double: S3Double) -> None:
    double.objects |= {f"in/front/{number}": (b"", {}) for number in range(2500)}
    found = bucket(double).list("")
    away(double, "List", times=TRIES - 1)
    assert len(list(found)) == 2501
    assert asked(double)["List"] == 3 + TRIES - 1


def test_cancel_interrupts_the_pause_of_a_part(double: S3Double) -> None:
    paused = threading.Event()

    def checkpoint() -> None:
        if paused.is_set():
            raise Cancelled

    away(double, "UploadPart")
    storage = bucket(double, Retry(sleep=lambda _: paused.set(), checkpoint=checkpoint))
    with pytest.raises(Cancelled):
        store(storage, 8 * MIB, expected_size=LARGE)
    assert asked(double) == {"Create": 1, "UploadPart": 1, "Abort": 1}


def test_part_of_an_abandoned_upload_is_not_retried(double: S3Double, monkeypatch: pytest.MonkeyPatch) -> None:
    paused, left = threading.Event(), threading.Event()

    def sleep(_seconds: float) -> None:
        paused.set()
        assert left.wait(60)

    monkeypatch.setattr(s3_upload, "ABANDON_SECONDS", 0.05)
    away(double, "UploadPart")
    storage = bucket(double, Retry(sleep=sleep))
    with suppress(RuntimeError), storage.writer("new", expected_size=LARGE) as writer:
        writer.write(bytes(8 * MIB))
        assert paused.wait(60)
        raise RuntimeError
    left.set()
    for thread in threading.enumerate():
        if thread.name.startswith("s3-part"):
            thread.join(60)
    assert asked(double) == {"Create": 1, "UploadPart": 1, "Abort": 1}


def test_bytes_of_an_upload_are_freed_with_its_writer(double: S3Double) -> None:
    with closing(S3Storage(double_settings(double), AT_ONCE)) as storage:
        gc.disable()
        try:
            with storage.writer("new", expected_size=5) as writer:
                freed = weakref.ref(writer)
                writer.write(b"data!")
                writer.commit()
            del writer
            assert freed() is None
        finally:
            gc.enable()


@pytest.fixture
def folder(tmp_path: Path) -> RetryingStorage:
    storage = storage_open(LOCAL, LocalSettings(root=tmp_path), AT_ONCE)
    store(storage, 4, "key")
    return storage


class Failing:
    """A system call that fails the first `times` times; `count` is the number of calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, number: int, times: int) -> None:
        module, _, attribute = name.rpartition(".")
        self._call = getattr(__import__(module), attribute)
        self._number = number
        self._times = times
        self.count = 0
        monkeypatch.setattr(name, self)

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.count += 1
        if self.count <= self._times:
            raise OSError(self._number, os.strerror(self._number))
        return self._call(*args, **options)


SYSTEM: dict[str, tuple[str, Callable[[RetryingStorage], object]]] = {
    "size": ("os.lstat", CALLS["Head"]),
    "read": ("os.pread", CALLS["Get"]),
    "delete": ("os.unlink", CALLS["Delete"]),
    "list": ("os.scandir", CALLS["List"]),
    "open an object": ("fcntl.flock", CALLS["Put"]),
    "sync an object": ("os.fdatasync", CALLS["Put"]),
    "open an archive": ("fcntl.flock", CALLS["Create"]),
}


@pytest.mark.parametrize("number", [errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN])
@pytest.mark.parametrize("action", SYSTEM)
def test_call_to_a_folder_has_six_attempts(
    folder: RetryingStorage, monkeypatch: pytest.MonkeyPatch, action: str, number: int
) -> None:
    name, call = SYSTEM[action]
    with monkeypatch.context() as patched:
        failing = Failing(patched, name, number, TRIES - 1)
        call(folder)
        assert failing.count >= TRIES
    with monkeypatch.context() as patched:
        failing = Failing(patched, name, number, FOR_EVER)
        with pytest.raises(StorageUnavailable):
            CALLS["Delete"](folder) if action == "delete" else call(folder)
        assert failing.count == TRIES


@pytest.mark.parametrize("name", ["os.write", "os.fdatasync"])
def test_bytes_of_an_archive_in_a_folder_are_written_once(
    folder: RetryingStorage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """The system drops bytes that it could not write: a second call would succeed without them."""
    failing = Failing(monkeypatch, name, errno.EIO, FOR_EVER)
    with pytest.raises(StorageUnavailable):
        store(folder, LARGE)
    assert failing.count == 1
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["key"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_lasting_error_of_a_folder_is_not_retried(
    folder: RetryingStorage, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    failing = Failing(monkeypatch, "os.fdatasync", number, FOR_EVER)
    with pytest.raises(StorageError) as caught:
        store(folder, 5)
    assert (caught.value.retryable, failing.count) == (False, 1)
