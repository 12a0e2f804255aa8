"""Rules that only some S3 providers have: each is broken once to see its effect, then kept by the product."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import boto3.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from repository.storage import ObjectInfo, StorageDenied, StorageError, StorageFull, StorageUnsupported
from targets.s3 import S3Storage
from targets.s3_upload import MEMORY, MIB, OBJECT_SIZE_MAX, PARTS_MAX, THREADS, part_size
from tests.storage.conftest import double_settings, double_target
from tests.storage.s3_double import BUCKET, REGION, RULES, S3Double, s3_double

GIB = 1 << 30
KEY = "in/front/key"


def put(storage: S3Storage | Any, data: bytes, *, expected_size: int | None = None, key: str = "key") -> None:
    with storage.writer(key, expected_size=len(data) if expected_size is None else expected_size) as writer:
        for at in range(0, len(data), MIB):
            writer.write(data[at : at + MIB])
        writer.commit()


@contextmanager
def foreign(double: S3Double, **options: Any) -> Iterator[Any]:
    """A client that follows no rule and retries nothing."""
    with closing(
        boto3.session.Session().client(
            "s3",
            endpoint_url=double.endpoint,
            region_name=options.pop("region_name", REGION),
            aws_access_key_id="other",
            aws_secret_access_key="other",
            config=Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},
                request_checksum_calculation="when_required",
                **options,
            ),
        )
    ) as client:
        yield client


def parts_of(client: Any, *lengths: int, first: int = 1) -> None:
    name = client.create_multipart_upload(Bucket=BUCKET, Key=KEY)["UploadId"]
    parts = []
    for number, length in enumerate(lengths, first):
        answer = client.upload_part(Bucket=BUCKET, Key=KEY, UploadId=name, PartNumber=number, Body=bytes(length))
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    client.complete_multipart_upload(Bucket=BUCKET, Key=KEY, UploadId=name, MultipartUpload={"Parts": parts})


# Each breaks one of the rules that the product keeps.
BREAKING = {
    "equal parts": lambda client: parts_of(client, 5 * MIB, 6 * MIB, 1),
    "five MiB": lambda client: parts_of(client, 4 * MIB, 1),
    "thousand parts": lambda client: parts_of(client, 1, first=1001),
    "checksum wanted": lambda client: client.put_object(Bucket=BUCKET, Key=KEY, Body=b"data"),
    "no newer checksums": lambda client: client.put_object(
        Bucket=BUCKET, Key=KEY, Body=b"data", ChecksumAlgorithm="SHA256"
    ),
    "no conditions": lambda client: client.put_object(Bucket=BUCKET, Key=KEY, Body=b"data", IfNoneMatch="*"),
}


@pytest.mark.parametrize("rule", BREAKING)
def test_broken_rule_is_refused_and_the_product_keeps_it(rule: str) -> None:
    data = bytes(20 * MIB)
    with double_target(rule) as (target, double):
        with foreign(double) as client, pytest.raises(ClientError):
            BREAKING[rule](client)
        assert double.struck[rule] == 1
        double.objects.clear()
        put(target.storage, data)
        put(target.storage, b"small", key="small")
        assert double.struck[rule] == 1
        assert double.objects[KEY][0] == data
        assert target.storage.size("small") == 5


PASSING = [
    *(("slow down", 5), ("slow down", 20 * MIB), ("reply lost", 5), ("reply lost", 20 * MIB)),
    *(("error in 200", 20 * MIB), ("error in 200, though done", 20 * MIB)),
]


@pytest.mark.parametrize(("rule", "size"), PASSING)
def test_passing_trouble_costs_no_upload(rule: str, size: int) -> None:
    with double_target(rule) as (target, double):
        for number in range(3):
            put(target.storage, bytes(size), key=f"key/{number}")
        assert list(target.storage.list("")) == [ObjectInfo(f"key/{number}", size) for number in range(3)]
        assert double.struck[rule] >= 1
        assert target.leftovers() == []


FINAL = {
    "expired token": (StorageDenied, "renew"),
    "wrong region": (StorageDenied, "region"),
    "clock skewed": (StorageDenied, "clock"),
    "full": (StorageFull, "QuotaExceeded"),
}


@pytest.mark.parametrize("rule", FINAL)
@pytest.mark.parametrize("size", [5, 20 * MIB])
def test_lasting_refusal_is_reported_at_once_and_in_words(rule: str, size: int) -> None:
    expected, words = FINAL[rule]
    changed = {"expired token": {"session_token": "expired"}, "wrong region": {"region": "us-east-1"}}.get(rule, {})
    with s3_double(rule) as double, closing(S3Storage(double_settings(double, **changed))) as storage:
        with pytest.raises(StorageError, match=words) as caught:
            put(storage, bytes(size))
        assert type(caught.value) is expected
        assert double.struck[rule] >= 1
        refused = [kind for kind, _ in double.asked if kind in ("Put", "UploadPart", "Create")]
        assert len(refused) <= 1 + THREADS + 1  # none was retried
        assert double.objects == {}


def test_locked_object_is_said_to_be_locked_and_stays() -> None:
    with double_target("locked") as (target, double):
        put(target.storage, b"data")
        with pytest.raises(StorageDenied, match="retention"):
            target.storage.delete("key")
        assert double.struck["locked"] == 1
        assert target.storage.size("key") == 4


def test_service_without_a_list_of_uploads_is_unsupported() -> None:
    with double_target("no list of uploads") as (target, double):
        with pytest.raises(StorageUnsupported, match="cannot do this"):
            target.storage.partials_sweep(older_than_seconds=0)
        assert double.struck["no list of uploads"] == 1


def test_service_that_ignores_ranges_is_not_believed() -> None:
    with double_target("no ranges") as (target, double):
        put(target.storage, b"data")
        with pytest.raises(StorageError, match="ranges"):
            list(target.storage.read("key", start=2))
        assert double.struck["no ranges"] == 1


def test_every_rule_is_tried_here() -> None:
    alone = {"locked", "no list of uploads", "no ranges"}
    assert BREAKING.keys() | FINAL.keys() | {rule for rule, _ in PASSING} | alone == RULES.keys()


def test_each_upload_and_part_carries_its_checksum() -> None:
    with double_target() as (target, double):
        put(target.storage, bytes(20 * MIB))
        put(target.storage, b"small", key="small")
        writes = [headers for kind, headers in double.asked if kind in ("Put", "UploadPart")]
        assert len(writes) == 4
        assert all(headers.get("Content-MD5") for headers in writes)


@pytest.mark.parametrize("expected_size", [0, 1, 10 * MIB, 19 * MIB, GIB])
def test_parts_have_one_length_for_any_expected_size(expected_size: int) -> None:
    with double_target("equal parts", "five MiB") as (target, double):
        put(target.storage, bytes(40 * MIB), expected_size=expected_size)
        assert len(double.objects[KEY][0]) == 40 * MIB
        assert double.struck.total() == 0


@pytest.mark.parametrize(
    ("expected_size", "actual", "parts_allowed"),
    [
        *((GIB, 2 * GIB, 1000), (6 * GIB, 12 * GIB, 1000), (62 * GIB, 124 * GIB, 1000), (0, 46 * GIB, 1000)),
        *((0, 460 * GIB, PARTS_MAX), (GIB, 70 * GIB, PARTS_MAX), (6 * GIB, 110 * GIB, PARTS_MAX)),
        *((600 * GIB, 1200 * GIB, PARTS_MAX), (2048 * GIB, 2200 * GIB, PARTS_MAX)),
        (OBJECT_SIZE_MAX, OBJECT_SIZE_MAX, PARTS_MAX),
    ],
)
def test_parts_suffice_with_room_for_growth(expected_size: int, actual: int, parts_allowed: int) -> None:
    assert -(-actual // part_size(expected_size)) <= parts_allowed


@pytest.mark.parametrize("expected_size", [-1, 0, 1, 10 * GIB, 64 * GIB, 10**15])
def test_part_lengths_fit_the_service_and_memory(expected_size: int) -> None:
    size = part_size(expected_size)
    assert 8 * MIB <= size <= 5 * GIB
    assert size % MIB == 0
    assert size <= 128 * MIB or expected_size > 1024 * GIB
    assert expected_size > 0 or 2 * size <= MEMORY


def test_more_parts_than_there_are_numbers_end_the_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("targets.s3_upload.PARTS_MAX", 2)
    with double_target() as (target, _):
        with pytest.raises(StorageError, match="more than 2 parts of 8388608 bytes"):
            put(target.storage, bytes(30 * MIB), expected_size=MIB)
        assert target.leftovers() == []
