"""The boto3 client below a bucket: each request is sent once."""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import TYPE_CHECKING

import boto3.session
from botocore.config import Config

from targets.s3_kind import REGION_DEFAULT, S3Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECT_TIMEOUT_SECONDS = 10
READ_TIMEOUT_SECONDS = 30


def client_create(settings: S3Settings) -> S3Client:
    """A client for the calling process. It never retries: `repository.retrying` does."""
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if settings.path_style else "virtual"},
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 1},
        # Newer checksum trailers are unknown to many services: each upload carries its MD5 instead.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    session, turn = _session(os.getpid())
    with turn:
        return session.client(
            "s3",
            endpoint_url=settings.endpoint_url,
            region_name=settings.region or REGION_DEFAULT,
            aws_access_key_id=settings.access_key,
            aws_secret_access_key=settings.secret_key,
            aws_session_token=settings.session_token,
            config=config,
        )


@cache
def _session(process: int) -> tuple[boto3.session.Session, threading.Lock]:  # noqa: ARG001  # it is the cache's key
    """One session per process, since making one takes 0.1 s, and its lock: one thread at a time may make a client."""
    return boto3.session.Session(), threading.Lock()
