"""S3 as a target kind. boto3 is imported when a bucket is opened, because that import is slow."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from repository.key_grammar import prefix_checked
from repository.retrying import Retry
from repository.storage import Storage
from targets.kinds import NEEDED, NOT_VALID, Option, OptionInvalid, TargetKind, gettext_noop

REGION_DEFAULT = "us-east-1"
# botocore makes no client for another region or host.
_LABEL: Final = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
_REGION: Final = re.compile(rf"(?![0-9]+\Z){_LABEL}")
_HOST: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Settings:
    """The address of a bucket and its credentials. `session_token` belongs to temporary credentials.

    region: None, which older targets have stored, is `REGION_DEFAULT`.
    """

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
        str | None,
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
        if not self.bucket:
            raise OptionInvalid("bucket", NEEDED)
        if self.region is not None and not _REGION.fullmatch(self.region):
            raise OptionInvalid("region", NOT_VALID if self.region else NEEDED)
        if self.endpoint_url is not None and not _address_is_valid(self.endpoint_url):
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


def _address_is_valid(address: str) -> bool:
    """Whether the address of a service has a host, and perhaps a port and a path."""
    if not re.fullmatch(r"(?i:https?)://[^\s?#]+", address):
        return False
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
        return bool(_HOST.fullmatch(host) or (":" in host and IPv6Address(host)))
    except ValueError:
        return False


def _open(settings: S3Settings, retry: Retry) -> Storage:
    from targets.s3 import S3Storage

    return S3Storage(settings, retry)


def _found_here(given: dict[str, Any]) -> S3Settings:
    """The settings with credentials from the usual sources of AWS tools: environment, files, the machine's role."""
    import boto3.session
    from botocore.exceptions import BotoCoreError

    # An empty region means that none was given.
    given = {name: value for name, value in given.items() if (name, value) != ("region", "")}
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
