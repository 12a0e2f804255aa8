"""Downloads as browsers and download managers request them."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import tracemalloc
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.utils.http import http_date

from backups.api.delivery import content_disposition
from common.keyring import Keyring
from repository.archive.object_keys import archive_context
from repository.sealing.sealed import SealWriter
from tests.api.problems import assert_problem
from tests.api.test_orders import NO_IDS
from tests.factories import AssetFactory, BackupFactory, OrderUserPermissionFactory, StorageTargetFactory, UserFactory
from tests.world.clients import client_of
from vault.models import Asset
from vault.services.keys import data_key_ensure
from vault.services.opening import target_open

CONTENT = bytes(range(256)) * 12


def url(asset):
    return f"/api/v1/assets/{asset.id}/"


def read(response):
    return b"".join(response.streaming_content)


@pytest.fixture
def asset(rental) -> Asset:
    return rental.stored(CONTENT, name="My world").asset


def test_a_download_is_the_bytes_with_name_size_and_checksum(asset, client):
    response = client.get(url(asset))
    assert response.status_code == 200
    assert read(response) == CONTENT
    digest = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    expected = {
        "Content-Type": "application/gzip",
        "Content-Length": str(len(CONTENT)),
        "Content-Disposition": 'attachment; filename="My world.tar.gz"',
        "ETag": f'"{hashlib.sha256(CONTENT).hexdigest()}"',
        "Last-Modified": http_date(asset.created_at.timestamp()),
        "Accept-Ranges": "bytes",
        "Repr-Digest": f"sha-256=:{digest}:",
        "Digest": f"sha-256={digest}",
        "Cache-Control": "private, no-cache, no-transform",
    }
    assert {name: response[name] for name in expected} == expected
    assert "Content-Range" not in response


def test_head_is_the_same_without_the_bytes(asset, client):
    whole, head = client.get(url(asset)), client.head(url(asset), HTTP_RANGE="bytes=0-1")
    assert head.status_code == 200
    assert read(head) == b""
    volatile = {"X-Request-ID"}
    assert {n: v for n, v in head.items() if n not in volatile} == {n: v for n, v in whole.items() if n not in volatile}


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [("bytes=0-0", 0, 1), ("bytes=100-199", 100, 200), ("bytes=3000-", 3000, 3072), ("bytes=-10", 3062, 3072)],
)
def test_a_range_is_those_bytes(header, start, stop, asset, client):
    response = client.get(url(asset), HTTP_RANGE=header)
    assert response.status_code == 206
    assert read(response) == CONTENT[start:stop]
    assert response["Content-Range"] == f"bytes {start}-{stop - 1}/{len(CONTENT)}"
    assert response["Content-Length"] == str(stop - start)
    assert response["ETag"] == f'"{asset.sha256}"'


@pytest.mark.parametrize("header", ["bytes=0-1,5-6", "bytes=9-1", "pages=1-2", "nonsense"])
def test_request_without_a_single_range_gets_the_whole(header, asset, client):
    response = client.get(url(asset), HTTP_RANGE=header)
    assert (response.status_code, read(response)) == (200, CONTENT)


def test_a_range_beyond_the_end(asset, client):
    response = client.get(url(asset), HTTP_RANGE="bytes=3072-")
    assert_problem(response, 416, "range_not_satisfiable")
    assert response["Content-Range"] == "bytes */3072"


def test_broken_download_resumes_where_it_stopped(asset, client):
    first = client.get(url(asset), HTTP_RANGE="bytes=0-999")
    rest = client.get(url(asset), HTTP_RANGE="bytes=1000-", HTTP_IF_RANGE=first["ETag"])
    assert rest.status_code == 206
    assert hashlib.sha256(read(first) + read(rest)).hexdigest() == asset.sha256
    by_date = client.get(url(asset), HTTP_RANGE="bytes=1000-", HTTP_IF_RANGE=first["Last-Modified"])
    assert by_date.status_code == 206


@pytest.mark.parametrize("condition", ['"another"', "Sat, 01 Jan 2000 00:00:00 GMT", 'W/"weak"'])
def test_a_download_of_other_bytes_begins_anew(condition, asset, client):
    response = client.get(url(asset), HTTP_RANGE="bytes=1000-", HTTP_IF_RANGE=condition)
    assert (response.status_code, read(response)) == (200, CONTENT)


def test_a_range_is_not_looked_at_when_it_would_not_be_honoured(asset, client):
    response = client.get(url(asset), HTTP_RANGE="bytes=9999-", HTTP_IF_RANGE='"another"')
    assert response.status_code == 200


def test_matching_etag_gets_a_304(asset, client):
    etag = f'"{asset.sha256}"'
    for condition in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        response = client.get(url(asset), HTTP_IF_NONE_MATCH=condition, HTTP_RANGE="bytes=0-1")
        assert (response.status_code, response.content, response["ETag"]) == (304, b"", etag)
    assert client.get(url(asset), HTTP_IF_NONE_MATCH='"other"').status_code == 200
    assert client.head(url(asset), HTTP_IF_NONE_MATCH=etag).status_code == 304


def test_failed_precondition_is_a_412(asset, client):
    assert client.get(url(asset), HTTP_IF_MATCH=f'"{asset.sha256}"').status_code == 200
    assert_problem(client.get(url(asset), HTTP_IF_MATCH='"other"'), 412, "precondition_failed")


@pytest.mark.parametrize("accept", ["*/*", "application/octet-stream", "text/html,image/png", "nonsense"])
def test_download_ignores_the_accept_header(accept, asset, client):
    assert client.get(url(asset), HTTP_ACCEPT=accept).status_code == 200


def test_compression_on_the_way_leaves_a_download_alone(asset, client, settings):
    settings.MIDDLEWARE = ["django.middleware.gzip.GZipMiddleware", *settings.MIDDLEWARE]
    response = client.get(url(asset), HTTP_ACCEPT_ENCODING="gzip")
    assert read(response) == CONTENT
    assert response["Content-Length"] == str(len(CONTENT))
    assert response["ETag"] == f'"{asset.sha256}"'


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("World.tar.gz", 'attachment; filename="World.tar.gz"'),
        ('a"b\\c%41.gz', "attachment; filename=\"a_b_c_41.gz\"; filename*=UTF-8''a%22b%5Cc%2541.gz"),
        ("Wält.gz", "attachment; filename=\"W_lt.gz\"; filename*=UTF-8''W%C3%A4lt.gz"),
        ("a/b.gz", 'attachment; filename="a/b.gz"'),
        ("🗺.gz", "attachment; filename=\"_.gz\"; filename*=UTF-8''%F0%9F%97%BA.gz"),
        ("a\r\nSet-Cookie: b", 'attachment; filename="aSet-Cookie: b"'),
        ("a\u202egz.exe", 'attachment; filename="agz.exe"'),
    ],
)
def test_a_name_of_any_letters_is_a_safe_header(name, header):
    assert content_disposition(name) == header


def test_the_name_of_the_backup_is_the_name_of_the_file(rental, client):
    backup = rental.stored(name="Żółw 世界")
    response = client.get(url(backup.asset))
    assert response["Content-Disposition"].endswith(
        "; filename*=UTF-8''%C5%BB%C3%B3%C5%82w%20%E4%B8%96%E7%95%8C.tar.gz"
    )


def test_an_empty_asset_is_an_empty_download(rental, client):
    response = client.get(url(rental.stored(b"").asset))
    assert (response.status_code, read(response), response["Content-Length"]) == (200, b"", "0")


def test_a_large_download_takes_little_memory(rental, client):
    size = 96 << 20
    asset = rental.stored(b"").asset
    os.truncate(rental.root / asset.key, size)
    with (rental.root / asset.key).open("rb") as stored:
        sha256 = hashlib.file_digest(stored, "sha256").hexdigest()
    Asset.objects.filter(id=asset.id).update(size_bytes=size, stored_bytes=size, sha256=sha256)
    response = client.get(url(asset))
    tracemalloc.start()
    try:
        received = sum(len(piece) for piece in response.streaming_content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert received == size
    assert peak < 8 << 20


@pytest.mark.parametrize("part", [None, "bytes=0-9", "bytes=1048570-1048585", "bytes=2000000-", "bytes=-3"])
def test_a_sealed_asset_is_opened_at_any_place(part, rental, client):
    content = os.urandom(2_500_000)
    target = StorageTargetFactory(options={"root": str(rental.root)}, sealed=True)
    storage = target_open(target)
    customer = rental.order.customer
    key = data_key_ensure(customer=customer, target=target, storage=storage)
    asset = AssetFactory(customer=customer, target=target, sealed=True, content=content)
    context = archive_context(tenant=customer.id, target=target.id, key=asset.key)
    writer = SealWriter(data_key=key, context=context)
    with storage.writer(asset.key, expected_size=len(content)) as object_writer:
        for pieces in (writer.update(content), writer.finish()):
            for piece in pieces:
                object_writer.write(piece)
        object_writer.commit()
    Asset.objects.filter(id=asset.id).update(stored_bytes=storage.size(asset.key))
    BackupFactory(provision=rental.server, asset=asset)
    response = client.get(url(asset), **({"HTTP_RANGE": part} if part else {}))
    expected = content
    if part:
        first, last = response["Content-Range"].removeprefix("bytes ").split("/")[0].split("-")
        expected = content[int(first) : int(last) + 1]
    assert read(response) == expected


@pytest.mark.parametrize("asset_id", [*NO_IDS, str(uuid4())])
def test_an_asset_that_is_not_there(asset_id, client):
    assert_problem(client.get(f"/api/v1/assets/{asset_id}/"), 404, "asset_not_found")


def test_foreign_asset_is_a_404(asset, outsider):
    assert_problem(outsider.get(url(asset)), 404, "asset_not_found")


def test_an_asset_of_no_backup_is_not_there(rental, client):
    assert_problem(client.get(url(AssetFactory(customer=rental.order.customer))), 404, "asset_not_found")


def test_a_deleted_backup_is_not_downloaded(rental, client):
    backup = rental.stored()
    client.delete(rental.backup_url(backup))
    assert_problem(client.get(url(backup.asset)), 404, "asset_not_found")


def test_a_right_that_was_withdrawn_ends_the_next_request(rental, asset):
    given = OrderUserPermissionFactory(content_object=rental.order, right="download_backup")
    client = client_of(given.user)
    assert client.get(url(asset), HTTP_RANGE="bytes=0-9").status_code == 206
    given.delete()
    assert_problem(client.get(url(asset), HTTP_RANGE="bytes=10-"), 404, "asset_not_found")


def test_staff_who_see_all_orders_do_not_read_their_data(rental, asset):
    clerk = UserFactory(is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_all_orders"))
    assert_problem(client_of(clerk).get(url(asset)), 403, "permission_denied")
    clerk.user_permissions.add(Permission.objects.get(codename="read_customer_data"))
    assert client_of(clerk).get(url(asset)).status_code == 200


def test_an_object_that_is_gone_is_an_error_before_the_first_byte(rental, asset, client):
    (rental.root / asset.key).unlink()
    assert_problem(client.get(url(asset)), 409, "archive_damaged")


def test_an_object_that_was_cut_is_an_error_before_the_first_byte(rental, asset, client):
    os.truncate(rental.root / asset.key, 10)
    assert_problem(client.get(url(asset)), 409, "archive_damaged")


def test_an_object_on_a_bad_sector_is_damaged_while_its_disk_answers(rental, asset, client, monkeypatch):
    def lost(descriptor, length, offset):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pread", lost)
    assert_problem(client.get(url(asset)), 409, "archive_damaged")
    monkeypatch.setattr(os, "preadv", lost)
    assert_problem(client.get(url(asset)), 503, "storage_unavailable")


@pytest.mark.parametrize("endpoint_url", ["http://127.0.0.1:9", "http://[127"])
def test_unreachable_storage_is_an_error_before_the_first_byte(endpoint_url, rental, asset, client):
    options = {
        "endpoint_url": endpoint_url,
        "region": "x",
        "bucket": "b",
        "prefix": "",
        "path_style": True,
        "conditional_writes": True,
    }
    secrets = json.dumps({"access_key": "canary-access", "secret_key": "canary-secret"})
    asset.target = StorageTargetFactory(kind="s3", options=options, secrets=secrets)
    asset.save()
    response = client.get(url(asset))
    assert_problem(response, 503, "storage_unavailable")
    assert b"canary" not in response.content


def test_a_key_that_cannot_be_opened_is_said_so(rental, asset, client):
    Asset.objects.update(sealed=True, size_bytes=len(CONTENT) - 200)
    target = asset.target
    data_key_ensure(customer=rental.order.customer, target=target, storage=target_open(target))
    elsewhere = Keyring.parse("7:" + base64.urlsafe_b64encode(b"k" * 32).decode())
    rental.order.customer.tenant_key = elsewhere.wrap(b"t" * 32, context=b"x")
    rental.order.customer.save()
    assert_problem(client.get(url(asset)), 409, "key_unavailable")
