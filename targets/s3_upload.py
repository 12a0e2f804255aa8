"""Uploads one object to S3: a small one by a single request, a larger one in parts while it is written."""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
from base64 import b64encode
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from repository.checkpoint import Checkpoint, go_on
from repository.retrying import Retry
from repository.storage import ObjectExists, ObjectNotFound, StorageError, StorageUnavailable
from targets.s3_errors import s3_call

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = logging.getLogger(__name__)

MIB = 1 << 20
PART_SIZE_MIN = 8 * MIB
# With this size an object of 64 GiB still has few parts; for larger objects memory matters more.
PART_SIZE_PLANNED_MAX = 128 * MIB
PARTS_PLANNED = 500
PARTS_MAX = 10_000
OBJECT_SIZE_MAX = 5 << 40
THREADS = 2
MEMORY = 96 * MIB
# The time for which an abandoned upload waits for its last parts before its abort.
ABANDON_SECONDS = 5
ABORT_TRIES = 3
_MARK = "savepoint-write"


def part_size(expected_size: int) -> int:
    """The length in bytes of every part but the last, for an object of about `expected_size` bytes (0: unknown).

    Some services refuse parts of different lengths, some cannot read an object of more than 1,000 parts, and none takes
    more than 10,000. So the length is chosen once, for 500 parts: this allows twice the expected size. For an unknown
    size it is the longest of which two fit into memory. Past 64 GiB parts stay at 128 MiB until nine tenths of 10,000
    parts are needed, up to the largest object of 5 TiB.
    """
    if expected_size <= 0:
        return MEMORY // 2
    expected_size = min(expected_size, OBJECT_SIZE_MAX)
    size = max(min(expected_size // PARTS_PLANNED, PART_SIZE_PLANNED_MAX), expected_size // (PARTS_MAX * 9 // 10))
    return max(-(-size // MIB) * MIB, PART_SIZE_MIN)


class S3Writer:
    """Writes the object. At most 96 MiB of its parts are in memory, or one part when that is larger.

    `retry` applies to each request; a part stays in memory until the service has it.
    """

    def __init__(
        self, client: S3Client, *, bucket: str, name: str, expected_size: int, conditional: bool, retry: Retry
    ) -> None:
        self._client = client
        self._left = threading.Event()
        self._retry = replace(retry, checkpoint=_until(self._left, retry.checkpoint))
        self._place: dict[str, Any] = {"Bucket": bucket, "Key": name}
        self._condition: dict[str, Any] = {"IfNoneMatch": "*"} if conditional else {}
        self._mark = secrets.token_hex(16)
        self._held = bytearray()
        self._part_size = part_size(expected_size)
        self._upload: dict[str, Any] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._parts: list[Future[str]] = []
        self._flying: dict[Future[str], int] = {}
        self._committed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes; wait while the parts under way fill the memory."""
        if self._committed:
            raise ValueError("the object is committed")
        view = memoryview(data).cast("B")
        while view:
            taken = view[: self._part_size - len(self._held)]
            self._held += taken
            view = view[len(taken) :]
            if len(self._held) == self._part_size:
                self._part_send()

    def commit(self) -> None:
        """Make the object appear, or raise `ObjectExists`."""
        if self._committed:
            raise ValueError("the object is committed")
        if self._upload and self._held:
            self._part_send()
        self._wait(flying=0)
        try:
            if not self._condition and self._mark_found() is not None:
                raise ObjectExists("commit: the key is taken")
            s3_call(self._retry, "commit", self._appear)
        except StorageError as error:
            self._settle(error)
        self._committed = True

    def close(self) -> None:
        """Abort the upload unless the object was committed."""
        self._left.set()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if self._committed or not self._upload:
            return
        wait([part for part in self._flying if not part.cancelled()], timeout=ABANDON_SECONDS)
        try:
            # Without the checkpoint, which would raise in a cancelled operation.
            retry = replace(self._retry, tries=min(self._retry.tries, ABORT_TRIES), checkpoint=go_on)
            with suppress(ObjectNotFound):
                s3_call(retry, "abort", partial(self._client.abort_multipart_upload, **self._place, **self._upload))
        except StorageError as error:
            # The caller's own error must reach it, so this one is only logged; the sweep aborts the upload later.
            log.warning("an upload to S3 was left open: %s", error)

    def _part_send(self) -> None:
        if len(self._parts) == PARTS_MAX:
            raise StorageError(f"part: more than {PARTS_MAX} parts of {self._part_size} bytes; far less was expected")
        if self._pool is None:
            begin = partial(self._client.create_multipart_upload, **self._place, Metadata={_MARK: self._mark})
            self._upload = {"UploadId": s3_call(self._retry, "begin", begin)["UploadId"]}
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="s3-part")
        part, self._held = self._held, bytearray()
        future = self._pool.submit(self._part_put, len(self._parts) + 1, part)
        self._parts.append(future)
        self._flying[future] = len(part)
        self._wait(flying=THREADS)

    def _part_put(self, number: int, part: bytearray) -> str:
        put = partial(
            self._client.upload_part,
            **self._place,
            **self._upload,
            PartNumber=number,
            ContentMD5=_md5(part),
            Body=part,  # type: ignore[arg-type]  # botocore takes a bytearray, the stubs do not know
        )
        try:
            answer = s3_call(self._retry, "part", put)
        except ObjectNotFound as error:
            raise StorageUnavailable(f"{error}: another process ended the upload") from None
        return answer["ETag"]

    def _wait(self, *, flying: int) -> None:
        """Wait until at most `flying` parts are under way, and the next one fits into memory."""
        while self._flying and (len(self._flying) > flying or sum(self._flying.values()) + self._part_size > MEMORY):
            done, _ = wait(self._flying, return_when=FIRST_COMPLETED)
            for future in done:
                del self._flying[future]
                future.result()

    def _appear(self) -> None:
        if not self._upload:
            self._client.put_object(
                **self._place,
                **self._condition,
                ContentMD5=_md5(self._held),
                Body=self._held,  # type: ignore[arg-type]  # as in _part_put
                Metadata={_MARK: self._mark},
            )
            return
        parts: Any = [{"PartNumber": n, "ETag": part.result()} for n, part in enumerate(self._parts, start=1)]
        self._client.complete_multipart_upload(
            **self._place, **self._upload, **self._condition, MultipartUpload={"Parts": parts}
        )

    def _settle(self, error: StorageError) -> None:
        """Find the outcome of a failed commit: its reply was lost, or a retry found the object of the first try."""
        try:
            mark = self._mark_found()
        except StorageError:
            raise error from None
        if mark == self._mark:
            return
        if mark is None and isinstance(error, ObjectExists | ObjectNotFound):
            raise StorageUnavailable(f"{error}, and the key is free") from None
        raise error

    def _mark_found(self) -> str | None:
        """The mark of the object that has the key: empty for another program's object, None for a free key."""
        try:
            found = s3_call(self._retry, "commit", partial(self._client.head_object, **self._place))
            return found["Metadata"].get(_MARK, "")
        except ObjectNotFound:
            return None


def _until(left: threading.Event, checkpoint: Checkpoint) -> Checkpoint:
    """A checkpoint that also ends the retries of an abandoned upload.

    It has no reference to the writer: such a cycle would keep its bytes in memory.
    """

    def ask() -> None:
        if left.is_set():
            raise StorageError("part: the upload was abandoned")
        checkpoint()

    return ask


def _md5(data: bytearray) -> str:
    """The MD5: a bucket with object lock requires it of each upload, and every service knows it."""
    return b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
