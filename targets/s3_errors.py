"""Translates errors of an S3 service, and of the network to it, into the storage's own errors without secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from repository.retrying import Retry
from repository.storage import (
    ObjectExists,
    ObjectNotFound,
    StorageDenied,
    StorageError,
    StorageFull,
    StorageUnavailable,
    StorageUnsupported,
)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A class of refusals: the error it becomes, and the advice for the operator of the portal."""

    name: str
    error: type[StorageError]
    advice: str = ""


AGAIN: Final = Refusal("again", StorageUnavailable)
RENEW: Final = Refusal("renew", StorageDenied, "the credentials have expired: renew them")
CLOCK: Final = Refusal("clock", StorageDenied, "this machine's clock and the service's differ")
PLACE: Final = Refusal("place", StorageDenied, "check the target's endpoint_url, region and bucket")
LOCKED: Final = Refusal("locked", StorageDenied, "a retention rule of the bucket keeps the object")
DENIED: Final = Refusal("denied", StorageDenied)
FULL: Final = Refusal("full", StorageFull)
NOT_FOUND: Final = Refusal("not found", ObjectNotFound)
EXISTS: Final = Refusal("exists", ObjectExists)
UNSUPPORTED: Final = Refusal("unsupported", StorageUnsupported, "the service cannot do this")
FINAL: Final = Refusal("final", StorageError)

SOURCES: Final = {
    "aws": "https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html",
    "b2": "https://www.backblaze.com/docs/cloud-storage-rate-limits",
    "b2uploads": "https://www.backblaze.com/blog/b2-503-500-server-error/",
    "boto": "https://github.com/boto/botocore/blob/develop/botocore/retries/standard.py",
    "ceph": "https://github.com/ceph/ceph/blob/main/src/rgw/rgw_common.cc",
    "minio": "https://github.com/minio/minio/blob/master/cmd/api-errors.go",
    "r2": "https://developers.cloudflare.com/r2/api/error-codes/",
    "seaweedfs": "https://github.com/seaweedfs/seaweedfs/blob/master/weed/s3api/s3err/s3api_errors.go",
    "wasabi": "https://docs.wasabi.com/docs/rest-api-introduction",
}

# The class of every code whose status alone is misleading or ambiguous, with the services that document it. Any other
# code has the class of its status. docs/storage.md shows the same table.
CODES: Final[dict[str, tuple[Refusal, str]]] = {
    # The service is overloaded for now.
    "Busy": (AGAIN, "aws"),
    "InternalError": (AGAIN, "aws b2uploads ceph minio r2 seaweedfs wasabi"),
    "ServiceUnavailable": (AGAIN, "aws b2uploads ceph r2"),
    "SlowDown": (AGAIN, "aws b2 ceph minio"),
    "SlowDownRead": (AGAIN, "minio"),
    "SlowDownWrite": (AGAIN, "minio"),
    "ServerBusy": (AGAIN, "minio"),
    "BandwidthLimitExceeded": (AGAIN, "boto"),
    "PriorRequestNotComplete": (AGAIN, "boto"),
    "RequestLimitExceeded": (AGAIN, "boto"),
    "RequestRateLimitExceeded": (AGAIN, "wasabi"),
    "RequestThrottled": (AGAIN, "boto"),
    "RequestThrottledException": (AGAIN, "boto"),
    "Throttling": (AGAIN, "boto"),
    "ThrottlingException": (AGAIN, "boto"),
    "ThrottledException": (AGAIN, "boto"),
    "TooManyRequests": (AGAIN, "r2"),
    "TooManyRequestsException": (AGAIN, "boto"),
    "ErrTooManyRequest": (AGAIN, "seaweedfs"),
    "ErrRequestBytesExceed": (AGAIN, "seaweedfs"),
    "Unavailable": (AGAIN, "wasabi"),
    "XMinioReadQuorum": (AGAIN, "minio"),
    "XMinioServerNotInitialized": (AGAIN, "minio"),
    "XMinioWriteQuorum": (AGAIN, "minio"),
    # The request was damaged on its way, and may succeed when sent again.
    "BadDigest": (AGAIN, "aws minio r2 wasabi"),
    "ClientDisconnect": (AGAIN, "r2"),
    "ClientDisconnected": (AGAIN, "minio"),
    "ConnectionClosed": (AGAIN, "wasabi"),
    "DisconnectError": (AGAIN, "wasabi"),
    "IncompleteBody": (AGAIN, "aws minio r2"),
    "RequestTimeout": (AGAIN, "aws ceph minio"),
    "RequestTimeoutException": (AGAIN, "boto"),
    "XAmzContentSHA256Mismatch": (AGAIN, "aws ceph minio seaweedfs wasabi"),
    # Two requests conflict, and one of them ends soon.
    "ConditionalRequestConflict": (AGAIN, "aws"),
    "Locked": (AGAIN, "ceph"),
    "OperationAborted": (AGAIN, "aws ceph"),
    # The bucket is moving to another address, which not every server knows yet.
    "TemporaryRedirect": (AGAIN, "aws"),
    "ExpiredToken": (RENEW, "aws"),
    "InvalidToken": (RENEW, "aws"),
    "InvalidTokenId": (RENEW, "minio"),
    "TokenRefreshRequired": (RENEW, "aws"),
    "ExpiredRequest": (CLOCK, "r2"),
    "RequestExpired": (CLOCK, "aws"),
    "RequestTimeTooSkewed": (CLOCK, "aws ceph minio wasabi"),
    "AuthorizationHeaderMalformed": (PLACE, "aws minio wasabi"),
    "EndpointNotFound": (PLACE, "aws"),
    "IllegalLocationConstraintException": (PLACE, "aws"),
    "InvalidBucketName": (PLACE, "aws ceph minio r2 seaweedfs"),
    "InvalidRegion": (PLACE, "minio"),
    "NoSuchBucket": (PLACE, "aws ceph minio r2 seaweedfs"),
    "PermanentRedirect": (PLACE, "aws"),
    "ObjectLockedByBucketPolicy": (LOCKED, "r2"),
    # Too many tries with wrong keys; a further one would prolong the lockout.
    "AuthenticationLockout": (DENIED, "wasabi"),
    # Quotas have no status of their own: Ceph answers 403.
    "InsufficientCapacity": (FULL, "aws"),
    "QuotaExceeded": (FULL, "ceph"),
    "XMinioAdminBucketQuotaExceeded": (FULL, "minio"),
    "XMinioStorageFull": (FULL, "minio"),
    "MethodNotAllowed": (UNSUPPORTED, "aws ceph minio seaweedfs"),
    "NotImplemented": (UNSUPPORTED, "aws ceph minio seaweedfs wasabi"),
    # Conflicts with another cause than an object under this key.
    "BucketNotEmpty": (FINAL, "aws ceph minio r2 seaweedfs"),
    "InvalidBucketState": (FINAL, "aws ceph seaweedfs"),
    "XMinioObjectExistsAsDirectory": (FINAL, "minio"),
}

STATUSES: Final[dict[int, Refusal]] = {
    301: PLACE,
    307: AGAIN,
    401: DENIED,
    403: DENIED,
    404: NOT_FOUND,
    405: UNSUPPORTED,
    408: AGAIN,
    409: EXISTS,
    410: AGAIN,
    412: EXISTS,
    423: AGAIN,
    425: AGAIN,
    429: AGAIN,
    498: RENEW,
    499: AGAIN,
    501: UNSUPPORTED,
    507: FULL,
}
"""The classes by status, for an unknown or missing code: a HEAD has no body, and a proxy sends no codes."""

PASSING = (BotoConnectionError, HTTPClientError, HTTPError, IncompleteReadError, OSError, ResponseParserError)
_FULL: Final = re.compile(r".*(Quota|StorageFull|InsufficientStorage).*")


@contextmanager
def s3_errors(action: str) -> Iterator[None]:
    """Translate errors of boto3 into the storage's own.

    The original error is dropped: messages of a service or a library may contain signed addresses.
    """
    try:
        yield
    except ClientError as error:
        raise _answered(action, error) from None
    except PASSING as error:
        raise StorageUnavailable(f"{action}: {type(error).__name__}") from None
    except BotoCoreError as error:
        raise StorageError(f"{action}: {type(error).__name__}") from None


def s3_call(retry: Retry, action: str, request: Callable[[], Result]) -> Result:
    """Make a request with retries. Raises the storage's own errors."""

    def attempt() -> Result:
        with s3_errors(action):
            return request()

    return retry.call(action, attempt)


def refusal_class(code: str, status: int) -> Refusal:
    """The class of a refusal: by its code if that is known, else by its status."""
    if code in CODES:
        return CODES[code][0]
    if _FULL.fullmatch(code):
        return FULL
    return STATUSES.get(status) or (AGAIN if status >= 500 else FINAL)  # noqa: PLR2004  # HTTP's own border


def refusal_read(response: Mapping[str, Any]) -> tuple[str, int]:
    """The code and the status of a parsed refusal; characters that no code has are removed."""
    code = re.sub(r"[^A-Za-z0-9.]", "", str(response.get("Error", {}).get("Code", "")))[:64]
    return code, response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _answered(action: str, error: ClientError) -> StorageError:
    response: Any = error.response
    code, status = refusal_read(response)
    answer = refusal_class(code, status)
    advice = f": {answer.advice}" if answer.advice else ""
    said = answer.error(f"{action}: {code} (HTTP {status}){advice}")
    said.after_seconds = _seconds_after(response.get("ResponseMetadata", {}).get("HTTPHeaders", {}))
    return said


def _seconds_after(headers: Mapping[str, str]) -> float:
    """The pause that `Retry-After` asks for, in seconds or until a date (RFC 9110, 10.2.3); 0 where it asks for none.

    A date is compared with the answer's own, because the service's clock may differ from ours.
    """
    after = headers.get("retry-after", "").strip()
    if after.isascii() and after.isdecimal():
        return float(after)
    try:
        until, now = parsedate_to_datetime(after), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until.replace(tzinfo=UTC) - now.replace(tzinfo=UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0
