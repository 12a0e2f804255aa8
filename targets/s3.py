"""An S3 bucket as a target, with boto3's client."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from repository.key_grammar import key_checked, key_is_valid, prefix_checked
from repository.retrying import ONCE, Retry
from repository.storage import (
    ObjectInfo,
    ObjectNotFound,
    ObjectWriter,
    StorageDenied,
    StorageError,
    StorageUnavailable,
)
from targets.s3_client import client_create
from targets.s3_errors import s3_call, s3_errors
from targets.s3_kind import S3Settings
from targets.s3_upload import S3Writer

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

PIECE_SIZE = 1 << 20


class S3Storage:
    """Objects in a bucket, which must exist.

    Connections belong to one process: the client is made at the first call, and again after a fork. `retry` applies to
    each request of a call that makes many: the pages of a list, the parts of an upload.
    """

    def __init__(self, settings: S3Settings, retry: Retry = ONCE) -> None:
        self._settings = settings
        self._retry = retry
        self._prefix = settings.folder
        self._client_of: tuple[int, S3Client] | None = None

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        if self._client_of is not None:
            self._client_of[1].close()
            self._client_of = None

    def writer(self, key: str, *, expected_size: int) -> AbstractContextManager[ObjectWriter]:
        """Open a new object of about `expected_size` bytes; leaving the block without `commit` leaves nothing."""
        return self._writer(key_checked(key), expected_size)

    def read(self, key: str, *, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `stop` (or the end) in pieces of at most 1 MiB; raises `ObjectNotFound`."""
        if start < 0:
            raise ValueError("a start is not negative")
        if stop is not None and stop <= start:
            self.size(key)
            return
        opened = self._open(key, start, stop)
        if opened is None:
            return
        body, end = opened
        for piece in _pieces(body):
            start += len(piece)
            yield piece
        if start < end:
            raise StorageUnavailable(f"read: the connection ended at byte {start}")

    def size(self, key: str) -> int:
        """The object's size in bytes; raises `ObjectNotFound`."""
        try:
            with s3_errors("size"):
                return self._client.head_object(Bucket=self._settings.bucket, Key=self._name(key))["ContentLength"]
        except ObjectNotFound:
            # A HEAD has no body with a code, yet a missing bucket must not look like a missing object.
            self._bucket_check()
            raise

    def delete(self, key: str) -> None:
        """Remove the object; a missing object is no error."""
        with suppress(ObjectNotFound), s3_errors("delete"):
            self._client.delete_object(Bucket=self._settings.bucket, Key=self._name(key))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object whose key begins with `prefix`; raises rather than ending early.

        Objects whose names are no keys belong to other programs, and are left out.
        """
        request: dict[str, Any] = {"Prefix": self._prefix + prefix_checked(prefix)}
        while True:
            ask = partial(self._client.list_objects_v2, Bucket=self._settings.bucket, **request)
            page = s3_call(self._retry, "list", ask)
            for found in page.get("Contents", []):
                key = found["Key"].removeprefix(self._prefix)
                if key_is_valid(key):
                    yield ObjectInfo(key=key, size=found["Size"])
            if not page["IsTruncated"]:
                return
            if page.get("NextContinuationToken") in (None, request.get("ContinuationToken")):
                raise StorageUnavailable("list: the service does not say where its list goes on")
            request["ContinuationToken"] = page["NextContinuationToken"]

    def partials_sweep(self, *, older_than_seconds: float) -> int:
        """Abort uploads that began before that time, by the service's own clock; return their number."""
        aborted = 0
        request: dict[str, Any] = {"Prefix": self._prefix}
        while True:
            ask = partial(self._client.list_multipart_uploads, Bucket=self._settings.bucket, **request)
            page = s3_call(self._retry, "sweep", ask)
            begun = _service_time(page) - timedelta(seconds=older_than_seconds)
            for upload in page.get("Uploads", []):
                # Not every service applies the prefix, and uploads outside of ours must not be aborted.
                if upload["Key"].startswith(self._prefix) and upload["Initiated"] <= begun:
                    aborted += self._abort(upload["Key"], upload["UploadId"])
            if not page.get("IsTruncated"):
                return aborted
            request |= {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    @property
    def _client(self) -> S3Client:
        if self._client_of is None or self._client_of[0] != os.getpid():
            try:
                with s3_errors("open"):
                    self._client_of = (os.getpid(), client_create(self._settings))
            except ValueError:
                raise StorageError("open: the endpoint is not valid") from None
        return self._client_of[1]

    @contextmanager
    def _writer(self, key: str, expected_size: int) -> Iterator[S3Writer]:
        writer = S3Writer(
            self._client,
            bucket=self._settings.bucket,
            name=self._name(key),
            expected_size=expected_size,
            conditional=self._settings.conditional_writes,
            retry=self._retry,
        )
        try:
            yield writer
        finally:
            writer.close()

    def _open(self, key: str, start: int, stop: int | None) -> tuple[StreamingBody, int] | None:
        """The body from `start`, and the offset at which it will end; None when the object ends before `start`."""
        request: dict[str, Any] = {}
        if start or stop is not None:
            request["Range"] = f"bytes={start}-" if stop is None else f"bytes={start}-{stop - 1}"
        with s3_errors("read"):
            try:
                answer = self._client.get_object(Bucket=self._settings.bucket, Key=self._name(key), **request)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 416:  # noqa: PLR2004  # range not satisfiable
                    return None
                raise
        if start and "ContentRange" not in answer:
            answer["Body"].close()
            raise StorageError("read: the service does not honour ranges")
        return answer["Body"], start + answer["ContentLength"]

    def _abort(self, name: str, upload_id: str) -> bool:
        """Abort an upload; return whether it was still open."""
        try:
            abort = self._client.abort_multipart_upload
            s3_call(self._retry, "sweep", partial(abort, Bucket=self._settings.bucket, Key=name, UploadId=upload_id))
        except ObjectNotFound:
            return False
        return True

    def _bucket_check(self) -> None:
        # A denied request about the bucket does not show whether the bucket exists.
        try:
            with suppress(StorageDenied), s3_errors("size"):
                self._client.head_bucket(Bucket=self._settings.bucket)
        except ObjectNotFound:
            raise StorageDenied("size: the bucket does not exist") from None

    def _name(self, key: str) -> str:
        return self._prefix + key_checked(key)


def _service_time(answer: Mapping[str, Any]) -> datetime:
    """The time of the answer by the service's clock, which also dates its uploads."""
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if date is None:
        raise StorageError("sweep: the service does not tell the time")
    return parsedate_to_datetime(date)


def _pieces(body: StreamingBody) -> Iterator[bytes]:
    with closing(body), s3_errors("read"):
        while piece := body.read(PIECE_SIZE):
            yield piece
