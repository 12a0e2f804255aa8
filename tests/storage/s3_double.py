"""An S3 service in memory, with a switch for each rule that only some providers have."""

from __future__ import annotations

import hashlib
import re
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, cycle
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from targets.s3_errors import AGAIN, CODES

MIB = 1 << 20
BUCKET = "bucket"
REGION = "eu-strict-1"
# Each has the rules of providers that keep each other company; between them they have all rules that can be kept.
PROVIDERS = {
    "strict": ("equal parts", "five MiB", "thousand parts", "slow down", "error in 200"),
    "locking": ("checksum wanted", "five MiB", "reply lost", "error in 200, though done"),
    "older": ("no newer checksums", "no conditions", "equal parts", "slow down"),
}
PAGE = 1000
SLOW_EVERY = 3

RULES = {
    "equal parts": "R2: all parts but the last have one length",
    "five MiB": "AWS, R2: no part but the last is shorter",
    "thousand parts": "Scaleway: no part has a number above 1,000",
    "checksum wanted": "AWS with object lock: each upload and part carries Content-MD5 or x-amz-checksum-…",
    "no newer checksums": "B2 of 2025, older services: x-amz-checksum-… is refused",
    "no conditions": "B2: If-None-Match is not implemented",
    "no list of uploads": "proxies and gateways: ListMultipartUploads is not implemented",
    "no ranges": "caches in front of a bucket: Range is ignored",
    "slow down": "all: a third of the requests is refused at first, each time with another code",
    "reply lost": "all: the first reply to each finished object never comes",
    "error in 200": "AWS: the first completion of an upload answers 200 with an error inside",
    "error in 200, though done": "AWS: likewise, and the object is there",
    "expired token": "AWS, MinIO: lent credentials have run out",
    "wrong region": "AWS, MinIO: the request was signed for another region",
    "clock skewed": "all: the request's time is 15 minutes off",
    "locked": "R2: a bucket lock keeps the object",
    "full": "Ceph: the quota is used up, with status 403",
}

_AGAIN = [code for code, (answer, _) in CODES.items() if answer is AGAIN]


class Refusal(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


@dataclass(slots=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    key: str
    query: dict[str, str]
    headers: Any
    body: bytes

    @property
    def kind(self) -> str:
        """The name of the operation in S3's documentation."""
        if "uploadId" in self.query:
            return {"PUT": "UploadPart", "POST": "Complete", "DELETE": "Abort"}[self.method]
        if "uploads" in self.query:
            return "Create" if self.method == "POST" else "ListUploads"
        if not self.key:
            return "HeadBucket" if self.method == "HEAD" else "List"
        return {"PUT": "Put", "GET": "Get", "HEAD": "Head", "DELETE": "Delete"}[self.method]


@dataclass(slots=True)
class Upload:
    key: str
    meta: dict[str, str]
    begun: datetime
    parts: dict[int, bytes] = field(default_factory=dict)


class S3Double:
    """The service's state. `struck` counts how often each rule refused or broke a request.

    `away` names a kind of request that is refused the next `away_times` times.
    """

    def __init__(self, rules: frozenset[str]) -> None:
        assert rules <= RULES.keys()
        self.rules = rules
        self.struck: Counter[str] = Counter()
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.objects: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.uploads: dict[str, Upload] = {}
        self.endpoint = ""
        self.away, self.away_times = "", 0
        self._lock = threading.Lock()
        self._ids = count(1)
        self._slow = cycle(_AGAIN)
        self._seen: set[tuple[str, str]] = set()

    def rule(self, name: str, *, broken: bool) -> bool:
        """Whether the rule is on and broken; counts it in `struck`."""
        if name not in self.rules or not broken:
            return False
        self.struck[name] += 1
        return True

    def answer(self, request: Request) -> Reply | None:
        """The reply, or None for a connection that ends without one."""
        with self._lock:
            self.asked.append((request.kind, dict(request.headers)))
            try:
                self._refuse(request)
                reply: Reply = getattr(self, "_" + request.kind.lower())(request)
            except Refusal as refusal:
                body = b"" if request.method == "HEAD" else error_body(refusal.code)
                return Reply(refusal.status, body)
            lost = request.kind in ("Put", "Complete") and self._first("reply lost", request.key)
            return None if self.rule("reply lost", broken=lost) else reply

    def _refuse(self, request: Request) -> None:
        """Raise for a request that is refused before its operation is considered."""
        if request.kind == self.away and self.away_times > 0:
            self.away_times -= 1
            raise Refusal(503, "SlowDown")
        headers, writes = request.headers, request.kind in ("Put", "UploadPart")
        slow = self._first(f"{request.kind} {request.query}", request.key) and len(self.asked) % SLOW_EVERY == 0
        newer = any(name.lower().startswith("x-amz-checksum-") for name in headers)
        scope = re.search(r"Credential=[^/]+/\d+/([^/]+)/", headers.get("Authorization", ""))
        refusals: list[tuple[str, bool, int, str]] = [
            # The status alone says nothing then, except to a HEAD: its answer has no room for a code.
            ("slow down", slow, 503 if request.method == "HEAD" else 400, ""),
            ("expired token", headers.get("x-amz-security-token") == "expired", 400, "ExpiredToken"),
            ("wrong region", scope is None or scope[1] != REGION, 400, "AuthorizationHeaderMalformed"),
            ("clock skewed", True, 403, "RequestTimeTooSkewed"),
            ("no conditions", "If-None-Match" in headers, 501, "NotImplemented"),
            ("no list of uploads", request.kind == "ListUploads", 501, "NotImplemented"),
            ("no newer checksums", newer, 400, "InvalidArgument"),
            ("checksum wanted", writes and "Content-MD5" not in headers and not newer, 400, "InvalidRequest"),
            ("thousand parts", int(request.query.get("partNumber", 0)) > 1000, 400, "InvalidArgument"),
            ("locked", request.kind == "Delete" and request.key in self.objects, 403, "ObjectLockedByBucketPolicy"),
            ("full", writes, 403, "QuotaExceeded"),
        ]
        for name, broken, status, code in refusals:
            if self.rule(name, broken=broken):
                raise Refusal(status, code or next(self._slow))
        sent = headers.get("Content-MD5")
        if sent is not None and sent != b64encode(md5(request.body)).decode():
            raise Refusal(400, "BadDigest")

    def _first(self, what: str, key: str) -> bool:
        """Whether this is the key's first time for this event."""
        if (what, key) in self._seen:
            return False
        self._seen.add((what, key))
        return True

    def _put(self, request: Request) -> Reply:
        return self._store(request, request.body, meta_of(request))

    def _store(self, request: Request, data: bytes, meta: dict[str, str]) -> Reply:
        if request.headers.get("If-None-Match") == "*" and request.key in self.objects:
            raise Refusal(412, "PreconditionFailed")
        self.objects[request.key] = (data, meta)
        return Reply(headers={"ETag": f'"{md5(data).hex()}"'})

    def _create(self, request: Request) -> Reply:
        name = f"upload-{next(self._ids)}"
        self.uploads[name] = Upload(request.key, meta_of(request), datetime.now(UTC))
        return xml(f"<InitiateMultipartUploadResult><UploadId>{name}</UploadId></InitiateMultipartUploadResult>")

    def _upload(self, request: Request) -> Upload:
        upload = self.uploads.get(request.query["uploadId"])
        if upload is None or upload.key != request.key:
            raise Refusal(404, "NoSuchUpload")
        return upload

    def _uploadpart(self, request: Request) -> Reply:
        self._upload(request).parts[int(request.query["partNumber"])] = request.body
        return Reply(headers={"ETag": f'"{md5(request.body).hex()}"'})

    def _complete(self, request: Request) -> Reply:
        upload = self._upload(request)
        numbers = [int(number) for number in re.findall(rb"<PartNumber>(\d+)<", request.body)]
        lengths = [len(upload.parts[number]) for number in numbers]
        if self.rule("equal parts", broken=len(set(lengths[:-1])) > 1 or lengths[-1] > lengths[0]):
            raise Refusal(400, "InvalidPart")
        if self.rule("five MiB", broken=any(length < 5 * MIB for length in lengths[:-1])):
            raise Refusal(400, "EntityTooSmall")
        if "error in 200" in self.rules and self._first("error in 200", request.query["uploadId"]):
            self.struck["error in 200"] += 1
            return xml(error_body("InternalError").decode())
        reply = self._store(request, b"".join(upload.parts[number] for number in numbers), upload.meta)
        del self.uploads[request.query["uploadId"]]
        if self.rule("error in 200, though done", broken=True):
            return xml(error_body("InternalError").decode())
        etag = escape(reply.headers["ETag"])
        return xml(f"<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>")

    def _abort(self, request: Request) -> Reply:
        self._upload(request)
        del self.uploads[request.query["uploadId"]]
        return Reply(204)

    def _found(self, request: Request) -> tuple[bytes, dict[str, str]]:
        if request.key not in self.objects:
            raise Refusal(404, "NoSuchKey")
        return self.objects[request.key]

    def _head(self, request: Request) -> Reply:
        data, meta = self._found(request)
        return Reply(body=data, headers=dict(meta))

    def _get(self, request: Request) -> Reply:
        data, meta = self._found(request)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        if asked is None or self.rule("no ranges", broken=True):
            return Reply(body=data, headers=dict(meta))
        start, stop = int(asked[1]), int(asked[2] or len(data)) + 1
        if start >= len(data):
            raise Refusal(416, "InvalidRange")
        piece = data[start:stop]
        return Reply(206, piece, {"Content-Range": f"bytes {start}-{start + len(piece) - 1}/{len(data)}", **meta})

    def _delete(self, request: Request) -> Reply:
        self.objects.pop(request.key, None)
        return Reply(204)

    def _headbucket(self, request: Request) -> Reply:
        return Reply()

    def _list(self, request: Request) -> Reply:
        prefix, after = request.query.get("prefix", ""), request.query.get("continuation-token", "")
        keys = [key for key in sorted(self.objects) if key.startswith(prefix) and key > after]
        page = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.objects[key][0])}</Size></Contents>"
            for key in keys[:PAGE]
        )
        more = f"<NextContinuationToken>{escape(keys[PAGE - 1])}</NextContinuationToken>" if keys[PAGE:] else ""
        truncated = str(bool(more)).lower()
        return xml(f"<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{more}{page}</ListBucketResult>")

    def _listuploads(self, request: Request) -> Reply:
        page = "".join(
            f"<Upload><Key>{escape(upload.key)}</Key><UploadId>{name}</UploadId>"
            f"<Initiated>{upload.begun:%Y-%m-%dT%H:%M:%S.000Z}</Initiated></Upload>"
            for name, upload in self.uploads.items()
            if upload.key.startswith(request.query.get("prefix", ""))
        )
        return xml(f"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>{page}</ListMultipartUploadsResult>")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def __getattr__(self, name: str) -> Callable[[], None]:
        """The standard library looks for do_GET and the like: one method serves them all."""
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        _, _, key = unquote(parts.path).lstrip("/").partition("/")
        double: S3Double = self.server.double  # type: ignore[attr-defined]  # set by s3_double
        reply = double.answer(Request(self.command, key, query, self.headers, body))
        if reply is None:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the standard library's name
        """Do not log: requests are recorded in `asked`."""


def md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def meta_of(request: Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name.lower().startswith("x-amz-meta-")}


def xml(text: str) -> Reply:
    return Reply(body=text.encode(), headers={"Content-Type": "application/xml"})


def error_body(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()


@contextmanager
def s3_double(*rules: str) -> Iterator[S3Double]:
    """The service, answering at `endpoint` with these rules of `RULES`."""
    double = S3Double(frozenset(rules))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.double = double  # type: ignore[attr-defined]  # read by _Handler
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    double.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield double
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
