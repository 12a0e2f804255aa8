"""S3 targets on the command line."""

from __future__ import annotations

import re
from argparse import Namespace

import boto3.session
from botocore.exceptions import BotoCoreError

from opener.errors import Cannot
from repository.storage import Storage
from targets.s3 import S3Storage
from targets.s3_client import S3Settings

REGION = "us-east-1"


def bucket_open(arguments: Namespace) -> Storage:
    """The bucket; opens no connection yet. Raises `Cannot`."""
    if arguments.s3_endpoint is not None and not re.fullmatch(r"https?://[^/]+/?", arguments.s3_endpoint):
        raise Cannot("--s3-endpoint is an address like https://s3.example.com, without the bucket")
    try:
        return S3Storage(_settings(arguments))
    except ValueError:
        raise Cannot("--s3-prefix is no folder of a target: letters, digits, and . _ - between slashes") from None


def _settings(arguments: Namespace) -> S3Settings:
    """Where the bucket is, with credentials from where every AWS tool looks: environment, files, the machine's role."""
    try:
        session = boto3.session.Session()
        credentials = session.get_credentials()
        region = arguments.s3_region or session.region_name or REGION
    except BotoCoreError as error:
        raise Cannot(f"the AWS credentials cannot be read: {error}") from None
    if credentials is None:
        raise Cannot("no credentials for the bucket: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE")
    frozen = credentials.get_frozen_credentials()
    return S3Settings(
        endpoint_url=arguments.s3_endpoint,
        region=region,
        bucket=arguments.s3_bucket,
        prefix=arguments.s3_prefix,
        access_key=frozen.access_key or "",
        secret_key=frozen.secret_key or "",
        session_token=frozen.token,
        path_style=not arguments.s3_virtual_host,
        conditional_writes=True,
    )
