"""Storage places to open: a folder and a bucket."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from repository.storage import Storage
from targets.local import LocalStorage
from targets.s3 import S3Storage
from targets.s3_kind import S3Settings
from tests.opener.places import Answer, Tenant, master_keys_make, opened
from tests.services.seaweedfs import S3Server, seaweedfs


@dataclass
class Place:
    """A storage with backups, the arguments that name it, and a file with the master keys."""

    storage: Storage
    words: list[str]
    keys: Path
    environ: dict[str, str] = field(default_factory=dict)

    def tenant(self) -> Tenant:
        return Tenant(self.storage, self.keys.read_text(), uuid4())

    def stored(self, key: str) -> Path:
        """The path of an object, or of a folder of objects."""
        return Path(self.words[1]) / key

    def run(self, command: str, *words: str | Path, **options) -> Answer:  # type: ignore[no-untyped-def]
        """Run the command with the master keys."""
        return self.bare(command, "--master-keys", self.keys, *words, **options)

    def bare(self, command: str, *words: str | Path, **options) -> Answer:  # type: ignore[no-untyped-def]
        """Run the command without any keys."""
        return opened(command, *self.words, *words, environ=self.environ, **options)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "master-keys"
    path.write_text(master_keys_make())
    return path


@pytest.fixture
def folder(tmp_path: Path, keys: Path) -> Place:
    root = tmp_path / "storage"
    root.mkdir()
    return Place(LocalStorage(root), ["--folder", str(root)], keys)


@pytest.fixture
def bucket(s3_server: S3Server, keys: Path) -> Iterator[Place]:
    settings = S3Settings(
        endpoint_url=s3_server.endpoint,
        region="us-east-1",
        bucket=s3_server.bucket,
        prefix=f"test-{uuid.uuid4().hex}",
        access_key=s3_server.access_key,
        secret_key=s3_server.secret_key,
        path_style=True,
        conditional_writes=True,
    )
    words = ["--s3-endpoint", s3_server.endpoint, "--s3-bucket", s3_server.bucket, "--s3-prefix", settings.prefix]
    environ = {"AWS_ACCESS_KEY_ID": s3_server.access_key, "AWS_SECRET_ACCESS_KEY": s3_server.secret_key}
    with closing(S3Storage(settings)) as storage:
        yield Place(storage, words, keys, environ)


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found
