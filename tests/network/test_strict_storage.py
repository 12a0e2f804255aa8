"""A backup in real parts to a bucket of a strict provider: sidecar, worker, S3 double."""

from __future__ import annotations

import json
import logging
from random import Random

import pytest
from django.utils import timezone

from backups.models import BackupStatus
from tests.storage.s3_double import BUCKET, PROVIDERS, REGION, S3Double, s3_double
from tests.world.linked import Linked
from vault.models import StorageTarget, StoredObject
from vault.services.opening import asset_open
from vault.services.sweep import storage_sweep

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

MIB = 1 << 20


def kept_in(linked: Linked, double: S3Double) -> StorageTarget:
    target = StorageTarget.objects.get(id=linked.target.id)
    target.kind = "s3"
    target.options = {
        "bucket": BUCKET, "endpoint_url": double.endpoint, "region": REGION, "prefix": "", "path_style": True,
        "conditional_writes": "no conditions" not in double.rules,
    }  # fmt: skip
    target.secrets = json.dumps({"access_key": "a", "secret_key": "b"})
    target.save()
    return target


@pytest.mark.parametrize("provider", PROVIDERS)
def test_backup_into_a_strict_bucket_is_ready_and_whole(linked: Linked, provider: str) -> None:
    (linked.daemon.world / "region.mca").write_bytes(Random(3).randbytes(20 * MIB))  # noqa: S311 - nothing secret
    with s3_double(*PROVIDERS[provider]) as double:
        kept_in(linked, double)
        backup = linked.created()
        assert backup.status == BackupStatus.READY
        assert sum(map(len, asset_open(backup.asset).read())) == backup.size_bytes
        # The size was known before the first byte, so 20 MiB are sent in parts of 8.
        assert [kind for kind, _ in double.asked].count("UploadPart") >= 3
        assert double.uploads == {}


def test_sweep_says_once_that_uploads_cannot_be_listed(linked: Linked, caplog: pytest.LogCaptureFixture) -> None:
    with s3_double("no list of uploads") as double:
        kept_in(linked, double)
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                storage_sweep()
        assert double.struck["no list of uploads"] == 3
    said = [record for record in caplog.records if record.name == "vault.services.sweep"]
    assert [("cannot list uploads" in record.getMessage(), record.exc_info) for record in said] == [(True, None)]


def test_locked_objects_are_reported_once_and_block_no_other_sweep(
    linked: Linked, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.services.sweep.BATCH", 2)
    with s3_double("locked") as double:
        target = kept_in(linked, double)

        keys = [f"backups/{number}.tar.gz" for number in range(5)]
        for key in keys:
            double.objects[key] = (b"x", {})
            StoredObject.objects.create(target=target, key=key, backup_id=linked.order.id, condemned_at=timezone.now())
        gone = keys[4]
        del double.objects[gone]  # a missing object can always be deleted
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                storage_sweep()
        assert double.struck["locked"] >= 4
        assert StoredObject.objects.get(key=gone).swept_at is not None
        assert not StoredObject.objects.filter(key__in=keys[:4], swept_at__isnull=False).exists()
    said = [record.getMessage() for record in caplog.records if record.name == "vault.services.sweep"]
    assert len(said) == 1
    assert "retention" in said[0]
