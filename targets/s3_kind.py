"""S3 as a target kind. boto3 is imported when a bucket is opened, because that import is slow."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any

from repository.key_grammar import prefix_checked
from repository.retrying import Retry
from repository.storage import Storage
from targets.kinds import Option, OptionInvalid, TargetKind, gettext_noop

REGION_DEFAULT = "us-east-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Settings:
    """The address of a bucket and its credentials. `session_token` belongs to temporary credentials."""

    bucket: Annotated[
        str,
        Option(
            label=gettext_noop("bucket"),
            help=gettext_noop("The name of an existing bucket."),
            argument="--s3-bucket",
            argument_help="a bucket; its credentials as for every AWS tool (AWS_*)",
        ),
    ]
    endpoint_url: Annotated[
        str | None,
        Option(
            label=gettext_noop("address of the service"),
            help=gettext_noop("The address of the service without the bucket; empty for AWS."),
            argument="--s3-endpoint",
        ),
    ] = None
    region: Annotated[
        str,
        Option(
            label=gettext_noop("region"),
            help=gettext_noop("The region of the bucket. Services without regions accept any."),
            argument="--s3-region",
        ),
    ]
    prefix: Annotated[
        str,
        Option(
            label=gettext_noop("folder in the bucket"),
            help=gettext_noop("A folder of the bucket for all objects; empty for the whole bucket."),
            argument="--s3-prefix",
        ),
    ] = ""
    path_style: Annotated[
        bool,
        Option(
            label=gettext_noop("bucket in the path"),
            help=gettext_noop("Addresses have the bucket in the path, not in the host name."),
            argument="--s3-virtual-host",
            argument_help="the bucket is in the host name of an address, not in its path",
        ),
    ] = True
    conditional_writes: Annotated[
        bool,
        Option(
            label=gettext_noop("conditional writes"),
            help=gettext_noop(
                "The service supports If-None-Match (AWS, R2, MinIO, SeaweedFS) and does not refuse it (B2). Without "
                "it, the portal checks that a key does not exist before it writes, and two writers at once may both "
                "pass."
            ),
        ),
    ] = True
    access_key: Annotated[str, Option(label=gettext_noop("access key"), secret=True)] = field(repr=False)
    secret_key: Annotated[str, Option(label=gettext_noop("secret key"), secret=True)] = field(repr=False)
    session_token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.endpoint_url is not None and not re.fullmatch(r"https?://[^/\s]+(/\S*)?", self.endpoint_url):
            raise OptionInvalid(
                "endpoint_url",
                gettext_noop("This has to be an address like https://s3.example.com, without the bucket."),
            )
        try:
            self.folder  # noqa: B018
        except ValueError:
            raise OptionInvalid(
                "prefix", gettext_noop("A folder of a target has letters, digits, and . _ - between slashes.")
            ) from None

    @property
    def folder(self) -> str:
        """The prefix of every name in the bucket: empty, or with a slash at its end."""
        folder = self.prefix.strip("/")
        return prefix_checked(f"{folder}/") if folder else ""


def _open(settings: S3Settings, retry: Retry) -> Storage:
    from targets.s3 import S3Storage

    return S3Storage(settings, retry)


def _found_here(given: dict[str, Any]) -> S3Settings:
    """The settings with credentials from the usual sources of AWS tools: environment, files, the machine's role."""
    import boto3.session
    from botocore.exceptions import BotoCoreError

    # Validate first: missing credentials would hide a wrong argument.
    S3Settings(**{"region": REGION_DEFAULT, "access_key": "", "secret_key": "", **given})
    try:
        session = boto3.session.Session()
        credentials = session.get_credentials()
        region = session.region_name or REGION_DEFAULT
    except BotoCoreError as error:
        raise OptionInvalid("access_key", f"the AWS credentials cannot be read: {error}") from None
    if credentials is None:
        raise OptionInvalid(
            "access_key",
            "no credentials for the bucket: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
        )
    frozen = credentials.get_frozen_credentials()
    keys = {"access_key": frozen.access_key or "", "secret_key": frozen.secret_key or ""}
    return S3Settings(**{"region": region, **keys, "session_token": frozen.token, **given})


S3 = TargetKind(name="s3", label=gettext_noop("S3"), settings=S3Settings, open=_open, found_here=_found_here)
