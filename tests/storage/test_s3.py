"""Failures that only a bucket has, on a real server."""

from __future__ import annotations

import multiprocessing
import os
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from repository.storage import ObjectNotFound, StorageDenied
from targets.s3 import S3Storage
from targets.s3_kind import S3Settings
from targets.s3_upload import MEMORY, MIB, THREADS, part_size
from tests.storage.conftest import Target

GIB = 1 << 30


def put(storage: S3Storage, key: str, data: bytes) -> None:
    with storage.writer(key, expected_size=len(data)) as writer:
        writer.write(data)
        writer.commit()


def test_wrong_credentials_are_denied_everywhere(s3_settings: S3Settings) -> None:
    with closing(S3Storage(replace(s3_settings, secret_key="wrong"))) as storage:
        for call in (
            lambda: storage.size("key"),
            lambda: list(storage.read("key")),
            lambda: list(storage.list("")),
            lambda: storage.delete("key"),
            lambda: put(storage, "key", b"data"),
            lambda: put(storage, "key", bytes(9 * MIB)),
        ):
            with pytest.raises(StorageDenied):
                call()


def test_a_missing_bucket_is_denied_and_never_looks_empty(s3_settings: S3Settings) -> None:
    with closing(S3Storage(replace(s3_settings, bucket="no-such-bucket"))) as storage:
        for call in (
            lambda: storage.size("key"),
            lambda: list(storage.read("key")),
            lambda: list(storage.read("key", start=3, stop=3)),
            lambda: list(storage.list("")),
            lambda: storage.delete("key"),
            lambda: put(storage, "key", b"data"),
        ):
            with pytest.raises(StorageDenied):
                call()


def test_prefixes_keep_targets_apart(s3_settings: S3Settings) -> None:
    beside = replace(s3_settings, prefix=f"{s3_settings.prefix}2")
    with closing(S3Storage(s3_settings)) as storage, closing(S3Storage(beside)) as other:
        put(storage, "key", b"data")
        assert list(other.list("")) == []
        with pytest.raises(ObjectNotFound):
            other.size("key")


def test_stale_uploads_under_the_prefix_are_swept_and_no_others(
    s3_target: Target, s3_settings: S3Settings, s3_observer: Any
) -> None:
    storage = s3_target.storage
    bucket, beside = s3_settings.bucket, f"{s3_settings.prefix}-beside/key"
    for key in ("a/dead", "b/dead"):
        s3_observer.create_multipart_upload(Bucket=bucket, Key=f"{s3_settings.prefix}/{key}")
    foreign = s3_observer.create_multipart_upload(Bucket=bucket, Key=beside)["UploadId"]
    assert storage.partials_sweep(older_than_seconds=3600) == 0
    assert len(s3_target.leftovers()) == 3
    assert storage.partials_sweep(older_than_seconds=0) == 2
    assert s3_target.leftovers() == [beside]
    s3_observer.abort_multipart_upload(Bucket=bucket, Key=beside, UploadId=foreign)


def test_a_forked_process_makes_connections_of_its_own(s3_settings: S3Settings) -> None:
    def read_in_child() -> None:
        assert b"".join(storage.read("key")) == b"data"
        assert storage._client_of is not None
        assert storage._client_of[0] == os.getpid() != parent

    parent = os.getpid()
    with closing(S3Storage(s3_settings)) as storage:
        assert storage._client_of is None
        put(storage, "key", b"data")
        child = multiprocessing.get_context("fork").Process(target=read_in_child)
        child.start()
        child.join()
        assert child.exitcode == 0
        assert b"".join(storage.read("key")) == b"data"


def test_bytes_on_their_way_stay_within_memory(s3_target: Target) -> None:
    expected_size = 25 * GIB
    size = part_size(expected_size)
    assert (THREADS + 1) * size > MEMORY
    with s3_target.storage.writer("key", expected_size=expected_size) as writer:
        for _ in range(4 * size // MIB):
            writer.write(bytes(MIB))
            assert sum(writer._flying.values()) + len(writer._held) <= MEMORY
    assert s3_target.leftovers() == []
