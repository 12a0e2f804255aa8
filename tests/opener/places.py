"""A storage as the portal leaves it: keys, archives and manifests; and the command that opens it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from common.keyring import Keyring, kek_generate
from repository.archive.manifest import ArchiveManifest, manifest_seal
from repository.sealing.sealed import SealContext, seal_bytes, sealed_size
from repository.storage import Storage

ROOT = Path(__file__).parents[2]
SECONDS = 120
WITHOUT_PORTAL = """
import sys

BLOCKED = {
    "accounts", "backups", "config", "django", "google", "grpc", "isal", "orders", "provisions", "rest_framework",
    "operations", "sidecar", "sidecar_client", "vault", "wire",
}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in BLOCKED or (top == "common" and name not in ("common", "common.keyring", "common.key_copies")):
            raise ImportError(f"{name} is not installed here")
        return None

sys.meta_path.insert(0, Blocker())
from opener.__main__ import main
sys.exit(main())
"""


@dataclass(frozen=True)
class Answer:
    """The output and exit status of the command."""

    code: int
    out: str
    err: str


def opened(*words: str | Path, stdin: bytes = b"", environ: Mapping[str, str] = {}, cwd: Path = ROOT) -> Answer:
    """Run the real command in a process of its own, without the portal and its dependencies."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DJANGO", "SAVEPOINT"))}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PORTAL, *map(str, words)],
        input=stdin,
        cwd=cwd,
        env=clean | {"PYTHONPATH": str(ROOT), "AWS_EC2_METADATA_DISABLED": "true"} | dict(environ),
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    answer = Answer(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in answer.err, answer.err
    return answer


@dataclass
class Tenant:
    """A customer of the former portal, with keys of their own."""

    storage: Storage
    master_keys: str
    target: UUID
    tenant: UUID = field(default_factory=uuid4)
    tenant_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    data_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def keys_copy(self) -> str:
        """Store the copy of the wrapped keys as the portal does; returns its content."""
        ring = Keyring.parse(self.master_keys)
        tenant_ring = Keyring.parse(f"1:{base64.urlsafe_b64encode(self.tenant_key).decode()}")
        wrapped = ring.wrap(self.tenant_key, context=f"tenant key {self.tenant}".encode())
        data = tenant_ring.wrap(self.data_key, context=f"data key {self.tenant} {self.target}".encode())
        copy = {
            "version": 1,
            "tenant": str(self.tenant),
            "target": str(self.target),
            "kek": ring.current_version,
            "tenant_key": base64.b64encode(wrapped).decode(),
            "data_key": base64.b64encode(data).decode(),
        }
        content = json.dumps(copy, sort_keys=True)
        put(self.storage, f"keys/{self.tenant}/{self.target}.{ring.current_version}.json", content.encode())
        return content

    def archive(self, content: bytes, *, sealed: bool = True, manifest: bool = True, name: str = "Nightly") -> str:
        """Store an archive with its manifest; returns its key."""
        order, backup = uuid4(), uuid4()
        key = f"backups/{order}/{backup}.tar.gz"
        context = SealContext(tenant=self.tenant, target=self.target, kind="archive", object_id=key)
        put(self.storage, key, seal_bytes(content, data_key=self.data_key, context=context) if sealed else content)
        if manifest:
            self._manifest(key, content, order=order, backup=backup, sealed=sealed, name=name)
        return key

    def _manifest(self, key: str, content: bytes, *, order: UUID, backup: UUID, sealed: bool, name: str) -> None:
        manifest = ArchiveManifest(
            tenant=self.tenant,
            tenant_name="Alice",
            order=order,
            order_name="Survival",
            provision=uuid4(),
            provision_name="World",
            backup=backup,
            backup_name=name,
            created_at=datetime(2026, 1, 31, 12, tzinfo=UTC),
            completed_at=datetime(2026, 1, 31, 13, tzinfo=UTC),
            archive_key=key,
            format="tar.gz",
            source="files",
            sealed=sealed,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            stored_bytes=sealed_size(len(content)) if sealed else len(content),
            entries=3,
            warnings=0,
            consistency="quiesced",
        )
        put(self.storage, f"{key}.manifest", manifest_seal(manifest, data_key=self.data_key, target=self.target))


def put(storage: Storage, key: str, data: bytes) -> None:
    with storage.writer(key, expected_size=len(data)) as writer:
        writer.write(data)
        writer.commit()


def name_of(key: str) -> str:
    """The name that the command shows for the archive under a key."""
    return key.rpartition("/")[2].removesuffix(".tar.gz")


def master_keys_make(versions: Sequence[int] = (1,)) -> str:
    """The text of SAVEPOINT_MASTER_KEYS."""
    return ",".join(f"{version}:{kek_generate()}" for version in versions)
