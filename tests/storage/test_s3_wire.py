"""The S3 target's errors for a service that fails, lies or breaks off."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from botocore.exceptions import InvalidRegionError

from repository.retrying import ONCE, TRIES, Retry, RetryingStorage
from repository.storage import (
    ObjectExists,
    ObjectInfo,
    ObjectNotFound,
    StorageDenied,
    StorageError,
    StorageFull,
    StorageUnavailable,
    StorageUnsupported,
)
from targets import s3, s3_upload
from targets.s3 import S3Storage
from targets.s3_kind import S3Settings
from tests.storage.conftest import AT_ONCE
from tests.storage.scripted_s3 import Answer, ScriptedS3, Stall, page, refusal, scripted_s3

SECRET = "a-secret-access-key"
BODY = bytes(range(256)) * 40
MARK = "x-amz-meta-savepoint-write"


@contextmanager
def wired(
    *script: Answer, conditional_writes: bool = True, retry: Retry = ONCE
) -> Iterator[tuple[S3Storage, ScriptedS3]]:
    """A bucket whose service answers by a script; without a policy it sees each request once."""
    with scripted_s3(*script) as wire:
        settings = S3Settings(
            endpoint_url=wire.endpoint,
            region="us-east-1",
            bucket="bucket",
            prefix="in/front/",
            access_key="an-access-key",
            secret_key=SECRET,
            path_style=True,
            conditional_writes=conditional_writes,
        )
        with closing(S3Storage(settings, retry)) as storage:
            yield storage, wire


CALLS: dict[str, Callable[[S3Storage], object]] = {
    "list": lambda storage: list(storage.list("")),
    "sweep": lambda storage: storage.partials_sweep(older_than_seconds=0),
    "write": lambda storage: put(storage, b"data"),
    "read": lambda storage: list(storage.read("key")),
    "size": lambda storage: storage.size("key"),
    "delete": lambda storage: storage.delete("key"),
}


@pytest.mark.parametrize("error", [InvalidRegionError(region_name=SECRET), ValueError(f"Invalid endpoint: {SECRET}")])
@pytest.mark.parametrize("call", CALLS)
def test_client_that_cannot_be_made_is_an_error_of_the_storage(
    call: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(settings: S3Settings) -> None:
        raise error

    monkeypatch.setattr(s3, "client_create", refuse)
    with wired() as (storage, _):
        with pytest.raises(StorageError, match=r"^open: ") as caught:
            CALLS[call](storage)
        assert not caught.value.retryable
        assert SECRET not in "".join(traceback.format_exception(caught.value))


def part_of_body(start: int, *, cut: int | None = None) -> Answer:
    headers = {"Content-Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"}
    return Answer(status=206 if start else 200, body=BODY[start:], headers=headers if start else {}, cut=cut)


def put(storage: S3Storage, data: bytes = b"data") -> None:
    with storage.writer("key", expected_size=len(data)) as writer:
        writer.write(data)
        writer.commit()


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (404, "NoSuchKey", ObjectNotFound),
        (404, "NoSuchBucket", StorageDenied),
        (403, "AccessDenied", StorageDenied),
        (403, "SignatureDoesNotMatch", StorageDenied),
        (401, "Unauthorized", StorageDenied),
        (400, "ExpiredToken", StorageDenied),
        (403, "QuotaExceeded", StorageFull),
        (507, "XMinioStorageFull", StorageFull),
        (507, "", StorageFull),
        (429, "TooManyRequests", StorageUnavailable),
        (503, "SlowDown", StorageUnavailable),
        (500, "InternalError", StorageUnavailable),
        (502, "", StorageUnavailable),
        (400, "RequestTimeout", StorageUnavailable),
        (400, "InvalidArgument", StorageError),
        (501, "NotImplemented", StorageUnsupported),
    ],
)
def test_each_refusal_is_answered_with_its_own_error(status: int, code: str, expected: type[StorageError]) -> None:
    with wired(refusal(status, code)) as (storage, wire):
        with pytest.raises(StorageError) as caught:
            list(storage.read("key"))
        assert type(caught.value) is expected
        assert str(status) in str(caught.value)
        assert caught.value.retryable == (expected is StorageUnavailable)
        assert wire.methods() == ["GET"]


def test_error_carries_neither_secrets_nor_text_of_the_service() -> None:
    with wired(refusal(403, "Signature<!-- -->DoesNotMatch", f"you signed with {SECRET}")) as (storage, _):
        with pytest.raises(StorageDenied) as caught:
            list(storage.read("key"))
        told = "".join(traceback.format_exception(caught.value))
        assert SECRET not in told
        assert "you signed" not in told


def test_settings_do_not_show_their_secrets() -> None:
    with wired() as (storage, _):
        assert "us-east-1" in repr(storage._settings)
        assert "an-access-key" not in repr(storage._settings)
        assert SECRET not in repr(storage._settings)


def test_a_service_that_cannot_be_reached_is_unavailable() -> None:
    with wired() as (storage, _):
        pass  # the server has ended; its address stays
    with pytest.raises(StorageUnavailable):
        storage.size("key")
    storage.close()


def test_an_answer_that_never_comes_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    with wired(Answer(dropped=True)) as (storage, _), pytest.raises(StorageUnavailable):
        storage.delete("key")


def test_a_page_of_html_from_a_proxy_is_unavailable() -> None:
    with wired(Answer(body=b"<html>gateway", headers={"Content-Type": "text/html"})) as (storage, _):
        found = storage.list("")
        with pytest.raises(StorageUnavailable):
            next(found)


def test_a_body_that_breaks_off_is_read_on_from_there() -> None:
    script = [part_of_body(0, cut=1000), part_of_body(1000, cut=4000), part_of_body(5000)]
    with wired(*script) as (storage, wire):
        assert b"".join(RetryingStorage(storage, AT_ONCE).read("key")) == BODY
        ranges = [headers.get("Range") for _, _, headers, _ in wire.asked]
        assert ranges == [None, "bytes=1000-", "bytes=5000-"]


def test_a_range_that_breaks_off_ends_where_it_was_to_end() -> None:
    whole = {"Content-Range": f"bytes 100-299/{len(BODY)}"}
    rest = {"Content-Range": f"bytes 150-299/{len(BODY)}"}
    script = [
        Answer(status=206, body=BODY[100:300], headers=whole, cut=50),
        Answer(status=206, body=BODY[150:300], headers=rest),
    ]
    with wired(*script) as (storage, wire):
        assert b"".join(RetryingStorage(storage, AT_ONCE).read("key", start=100, stop=300)) == BODY[100:300]
        assert wire.asked[1][2]["Range"] == "bytes=150-299"


def test_a_body_that_breaks_off_six_times_at_one_place_is_given_up() -> None:
    with wired(part_of_body(0, cut=1000), *[part_of_body(1000, cut=0)] * 9) as (storage, wire):
        with pytest.raises(StorageUnavailable, match="read: "):
            list(RetryingStorage(storage, AT_ONCE).read("key"))
        assert len(wire.asked) == TRIES


def test_a_service_that_ignores_ranges_is_not_believed() -> None:
    with wired(Answer(body=BODY)) as (storage, _), pytest.raises(StorageError, match="ranges"):
        list(storage.read("key", start=5))


def test_failure_of_the_second_page_of_a_list_is_an_error() -> None:
    with wired(page("in/front/a", truncated=True, token="t"), refusal(500, "InternalError")) as (storage, _):
        found = storage.list("")
        assert next(found) == ObjectInfo("a", 3)
        with pytest.raises(StorageUnavailable):
            next(found)


@pytest.mark.parametrize("token", [None, "t"])
def test_truncated_list_without_a_token_is_an_error(token: str | None) -> None:
    script = [page("in/front/a", truncated=True, token="t"), page("in/front/b", truncated=True, token=token)]
    with wired(*script) as (storage, _), pytest.raises(StorageUnavailable):
        list(storage.list(""))


def test_objects_of_other_programs_are_not_listed() -> None:
    with wired(page("in/front/", "in/front/a b", "in/front/ok", truncated=False)) as (storage, _):
        assert list(storage.list("")) == [ObjectInfo("ok", 3)]


@pytest.mark.parametrize(
    ("bucket", "expected"),
    [
        (Answer(status=404), StorageDenied),
        (Answer(status=200), ObjectNotFound),
        (Answer(status=403), ObjectNotFound),
        (Answer(status=500), StorageUnavailable),
    ],
)
def test_missing_object_is_distinct_from_a_missing_bucket(bucket: Answer, expected: type[StorageError]) -> None:
    with wired(Answer(status=404), bucket) as (storage, _):
        with pytest.raises(StorageError) as caught:
            storage.size("key")
        assert type(caught.value) is expected


@pytest.mark.parametrize("lost", [Answer(dropped=True), refusal(412, "PreconditionFailed"), refusal(500, "Oops")])
def test_written_object_with_a_lost_reply_is_recognised(lost: Answer) -> None:
    ours = Answer()
    with wired(lost, ours) as (storage, wire):
        # The server learns the mark only from the request itself, so it answers with that one.
        with storage.writer("key", expected_size=4) as writer:
            writer.write(b"data")
            ours.headers[MARK] = writer._mark
            writer.commit()
        assert wire.methods() == ["PUT", "HEAD"]
        put_headers = wire.asked[0][2]
        assert (put_headers["If-None-Match"], put_headers[MARK]) == ("*", ours.headers[MARK])


@pytest.mark.parametrize(
    ("failed", "found", "expected"),
    [
        (refusal(412, "PreconditionFailed"), Answer(headers={MARK: "another"}), ObjectExists),
        (refusal(412, "PreconditionFailed"), Answer(), ObjectExists),
        (refusal(412, "PreconditionFailed"), Answer(status=500), ObjectExists),
        (refusal(409, "ConditionalRequestConflict"), Answer(status=404), StorageUnavailable),
        (refusal(507, "InsufficientStorage"), Answer(status=404), StorageFull),
        (Answer(dropped=True), Answer(headers={MARK: "another"}), StorageUnavailable),
        (Answer(dropped=True), Answer(status=404), StorageUnavailable),
    ],
)
def test_a_failed_commit_is_not_taken_for_written(failed: Answer, found: Answer, expected: type[StorageError]) -> None:
    with wired(failed, found) as (storage, _):
        with pytest.raises(StorageError) as caught:
            put(storage)
        assert type(caught.value) is expected


def test_without_conditional_writes_a_taken_key_is_looked_for_first() -> None:
    with wired(Answer(headers={MARK: "another"}), Answer(headers={MARK: "another"}), conditional_writes=False) as (
        storage,
        wire,
    ):
        with pytest.raises(ObjectExists):
            put(storage)
        assert set(wire.methods()) == {"HEAD"}
    with wired(Answer(status=404), Answer(), conditional_writes=False) as (storage, wire):
        put(storage)
        assert wire.methods() == ["HEAD", "PUT"]
        assert "If-None-Match" not in wire.asked[1][2]


BEGUN = Answer(
    body=b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>",
    headers={"Content-Type": "application/xml"},
)
PART = bytes(8 << 20)


def leave(storage: S3Storage, reason: Exception, *, part: Stall) -> None:
    with storage.writer("key", expected_size=len(PART)) as writer:
        writer.write(PART)
        assert part.begun.wait(timeout=60)
        raise reason


def test_a_part_that_fails_aborts_the_upload() -> None:
    with wired(BEGUN, refusal(507, "InsufficientStorage"), Answer(status=204)) as (storage, wire):
        with pytest.raises(StorageFull):
            put(storage, PART)
        assert wire.methods() == ["POST", "PUT", "DELETE"]
        assert "uploadId=u1" in wire.asked[2][1]


def test_upload_ended_by_another_client_may_be_retried() -> None:
    with wired(BEGUN, refusal(404, "NoSuchUpload"), refusal(404, "NoSuchUpload")) as (storage, wire):
        with pytest.raises(StorageUnavailable):
            put(storage, PART)
        assert wire.methods() == ["POST", "PUT", "DELETE"]


def test_an_abort_that_fails_does_not_hide_why_the_caller_left(caplog: pytest.LogCaptureFixture) -> None:
    part = Stall()
    part.over.set()
    with wired(BEGUN, Answer(headers={"ETag": '"e"'}, stall=part), refusal(503, "SlowDown")) as (storage, wire):
        with pytest.raises(RuntimeError, match="the reason"):
            leave(storage, RuntimeError("the reason"), part=part)
        assert wire.methods() == ["POST", "PUT", "DELETE"]
    assert "SlowDown" in caplog.text


def test_a_completion_that_fails_is_aborted() -> None:
    complete = refusal(412, "PreconditionFailed")
    other = Answer(headers={MARK: "another"})
    with wired(BEGUN, Answer(headers={"ETag": '"e"'}), complete, other, Answer(status=204)) as (storage, wire):
        with pytest.raises(ObjectExists):
            put(storage, PART)
        assert wire.methods() == ["POST", "PUT", "POST", "HEAD", "DELETE"]
        assert wire.asked[2][2]["If-None-Match"] == "*"


def test_a_part_that_stalls_does_not_hold_the_caller_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def be_cancelled_while_it_stalls() -> None:
        with storage.writer("key", expected_size=len(PART)) as writer:
            writer.write(PART)
            assert stall.begun.wait(timeout=60)
            raise RuntimeError("cancelled")

    monkeypatch.setattr(s3_upload, "ABANDON_SECONDS", 0.05)
    stall = Stall()
    with wired(BEGUN, Answer(dropped=True, stall=stall), Answer(status=204)) as (storage, wire):
        try:
            with pytest.raises(RuntimeError, match="cancelled"):
                be_cancelled_while_it_stalls()
            assert wire.methods() == ["POST", "PUT", "DELETE"]
        finally:
            stall.over.set()
