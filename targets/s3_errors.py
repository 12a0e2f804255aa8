"""What an S3 service, or the way to it, answers: as the storage's own errors, free of secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from repository.storage import (
    ObjectExists,
    ObjectNotFound,
    StorageDenied,
    StorageError,
    StorageFull,
    StorageUnavailable,
)

# The quota has no status of its own (Ceph answers 403), so these codes are looked at before the status.
_FULL = re.compile(r".*(Quota|StorageFull|InsufficientStorage).*")
_BY_CODE: dict[str, type[StorageError]] = {
    "NoSuchBucket": StorageDenied,
    "InvalidBucketName": StorageDenied,
    "PermanentRedirect": StorageDenied,
    "AuthorizationHeaderMalformed": StorageDenied,
    "ExpiredToken": StorageDenied,
    "RequestTimeout": StorageUnavailable,
    "Throttling": StorageUnavailable,
    # The bytes were changed on their way: sent again, they may arrive.
    "BadDigest": StorageUnavailable,
    "IncompleteBody": StorageUnavailable,
    "XAmzContentSHA256Mismatch": StorageUnavailable,
}
_BY_STATUS: dict[int, type[StorageError]] = {
    401: StorageDenied,
    403: StorageDenied,
    404: ObjectNotFound,
    408: StorageUnavailable,
    409: ObjectExists,
    412: ObjectExists,
    429: StorageUnavailable,
    501: StorageError,
    507: StorageFull,
}
_PASSING = (BotoConnectionError, HTTPClientError, HTTPError, IncompleteReadError, OSError, ResponseParserError)


@contextmanager
def s3_errors(action: str) -> Iterator[None]:
    """Answer what boto3 raises with the storage's own error.

    The original does not travel along: what a service or a library says may hold signed addresses.
    """
    try:
        yield
    except ClientError as error:
        raise _answered(action, error) from None
    except _PASSING as error:
        raise StorageUnavailable(f"{action}: {type(error).__name__}") from None
    except BotoCoreError as error:
        raise StorageError(f"{action}: {type(error).__name__}") from None


def _answered(action: str, error: ClientError) -> StorageError:
    code = re.sub(r"[^A-Za-z0-9.]", "", str(error.response.get("Error", {}).get("Code", "")))[:64]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    kind = StorageFull if _FULL.fullmatch(code) else _BY_CODE.get(code) or _BY_STATUS.get(status)
    if kind is None:
        kind = StorageUnavailable if status >= 500 else StorageError  # noqa: PLR2004  # HTTP's own border
    return kind(f"{action}: {code} (HTTP {status})")
