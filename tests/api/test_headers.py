"""Each kind of answer of pages, API and downloads, header by header against its RFC; HEAD answers as GET does."""

from __future__ import annotations

import os
from urllib.parse import unquote

import pytest
from django.http import HttpResponse

from common.paths import path_text
from tests.api.header_rules import mistakes
from tests.world.clients import browser_of, client_of
from tests.world.stocked import PICTURE

NASTY = ["界" * 100, "🗺" * 100, "ä" * 100, "x" * 100, 'a"b\\c;d%', "ليل" * 33, "e\u0301" * 50, "👩\u200d🚀" * 33]
GZIP = {"HTTP_ACCEPT_ENCODING": "gzip, br"}


@pytest.fixture
def asset(rental):
    return rental.stored(bytes(range(256)) * 12, name="界" * 100).asset


@pytest.fixture
def answers(rental, client, asset):
    """Every kind of answer, by name."""
    file, order = f"/api/v1/assets/{asset.id}/", f"/api/v1/orders/{rental.order.id}/"
    browser, nobody = browser_of(rental.owner), type(client)()
    page = f"/orders/{rental.order.id}/"
    shown = browser.get(page)
    version = shown.context["overview"].version
    return {
        "file": client.get(file, **GZIP),
        "file, head": client.head(file),
        "file, part": client.get(file, HTTP_RANGE="bytes=1-9"),
        "file, unchanged": client.get(file, HTTP_IF_NONE_MATCH=f'"{asset.sha256}"'),
        "file, other": client.get(file, HTTP_IF_MATCH='"x"'),
        "file, beyond": client.get(file, HTTP_RANGE="bytes=9999-"),
        "file, wrong method": client.post(file),
        "file, nobody": nobody.get(file),
        "list": client.get(rental.backups, **GZIP),
        "created": client.post(rental.backups, {"name": "Nightly"}),
        "conflict": client.post(rental.backups, {"name": "Again"}),
        "not understood": client.post(rental.backups, {"name": 5}),
        "wrong method": client.put(order),
        "nobody": nobody.get(order),
        "wrong token": nobody.get(order, HTTP_AUTHORIZATION="Bearer x"),
        "not there": client.get("/api/v1/orders/00000000-0000-4000-8000-000000000000/"),
        "page": browser.get(page, **GZIP),
        "page, head": browser.head(page),
        "page, wrong method": browser.put(page),
        "page, not there": browser.get("/nothing/here/"),
        "page, nobody": nobody.get(page),
        "part, unchanged": browser.get(f"{page}backups/?version={version}", HTTP_HX_REQUEST="true"),
        "part, nobody": nobody.get(f"{page}backups/", HTTP_HX_REQUEST="true"),
        "sign in": nobody.get("/accounts/login/", **GZIP),
        "lives": nobody.get("/livez"),
        "ready": nobody.get("/readyz"),
    }


STATUSES = {
    "file": 200, "file, part": 206, "file, unchanged": 304, "file, other": 412, "file, beyond": 416, "created": 202,
    "file, wrong method": 405, "nobody": 401, "conflict": 409, "page": 200, "page, wrong method": 405,
    "page, nobody": 302, "not there": 404, "lives": 200,
}  # fmt: skip


def test_each_header_is_as_its_rfc_asks(answers):
    assert {name: answers[name].status_code for name in STATUSES} == STATUSES
    assert {name: found for name, answer in answers.items() if (found := mistakes(answer))} == {}


def test_an_archive_arrives_as_it_is_and_a_page_is_compressed(answers):
    assert "Content-Encoding" not in answers["file"].headers
    assert int(answers["file"]["Content-Length"]) == 256 * 12
    assert answers["page"]["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("name", NASTY, ids=ascii)
def test_the_proposed_name_fits_where_bytes_are_counted(name, rental, client):
    backup = rental.stored(b"x", name=name)
    answer = client.get(f"/api/v1/assets/{backup.asset_id}/")
    assert mistakes(answer) == []
    assert ".tar.gz" in answer["Content-Disposition"][-12:]


NAMES = [
    b"\xe9" * 255, b"\xe9" * 251 + b".mca", b"%" * 255, b'"' * 255, b"\\" * 255, b"\x01" * 255, b"\n" * 255, b" " * 255,
    b"a" * 251 + b".mca", b"." + b"\xe9" * 254, b"\xe9" * 200 + b"." + b"\xe9" * 54, "界".encode() * 85,
    "\u202e".encode() * 85, "🗺".encode() * 63, "e\u0301".encode() * 85, "\xad".encode() * 127, b"a;filename=b.exe",
]  # fmt: skip
"""Names that a file system holds."""


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:9]))
def test_the_proposed_name_of_a_file_fits_and_keeps_its_ending(name, stocked):
    (stocked.files / os.fsdecode(name)).write_bytes(b"x")
    backup = stocked.keep()
    answer = client_of(stocked.owner).get(
        stocked.backup_url(backup, "files/content/"), {"path": path_text(name)}, **GZIP
    )
    assert (answer.status_code, b"".join(answer.streaming_content), mistakes(answer)) == (200, b"x", [])
    plain, _, exact = answer["Content-Disposition"].partition("; filename*=UTF-8''")
    proposed = unquote(exact) if exact else plain.partition('"')[2].removesuffix('"')
    if len(path_text(name).encode()) <= 255:
        assert proposed == path_text(name)
    assert proposed.endswith(".mca") is name.endswith(b".mca")
    assert proposed.strip("._")


@pytest.fixture
def contents(stocked):
    """Every kind of answer about the files of a backup, by name."""
    stocked.write("icon.png", PICTURE)
    backup, server = stocked.keep(), f"/api/v1/orders/{stocked.order.id}/provisions/{stocked.server.id}/"
    client, browser = client_of(stocked.owner), browser_of(stocked.owner)
    file, page = stocked.backup_url(backup, "files/content/"), f"/orders/{stocked.order.id}/backups/{backup.id}/"
    text, picture, folder = {"path": "server.properties"}, {"path": "icon.png"}, {"path": "world"}
    etag, whole = client.get(file, text)["ETag"], f"/api/v1/assets/{backup.asset_id}/"
    return {
        "file": client.get(file, text, **GZIP),
        "file, head": client.head(file, text),
        "file, part": client.get(file, text, HTTP_RANGE="bytes=1-9"),
        "file, unchanged": client.get(file, text, HTTP_IF_NONE_MATCH=etag),
        "file, other": client.get(file, text, HTTP_IF_MATCH='"x"'),
        "file, beyond": client.get(file, text, HTTP_RANGE="bytes=9999-"),
        "file, not there": client.get(file, {"path": "nothing"}),
        "file, no path": client.get(file),
        "file, wrong method": client.post(file),
        "folder": client.get(file, folder),
        "archive": client.get(whole, **GZIP),
        "archive, head": client.head(whole),
        "archive, part": client.get(whole, HTTP_RANGE="bytes=1-9"),
        "archive of a folder": client.get(whole, folder),
        "files": client.get(stocked.backup_url(backup, "files/"), **GZIP),
        "versions": client.get(f"{server}versions/", text),
        "search": client.get(f"{server}search/", {"q": "level"}),
        "estimate": client.get(f"{server}estimate/"),
        "usage": client.get(f"/api/v1/orders/{stocked.order.id}/usage/"),
        "raw": browser.get(f"{page}files/raw/", picture, **GZIP),
        "raw, head": browser.head(f"{page}files/raw/", picture),
        "raw, no picture": browser.get(f"{page}files/raw/", text),
        "page of a folder": browser.get(f"{page}files/", folder, **GZIP),
        "page of a file": browser.get(f"{page}files/file/", text),
        "download of a file": browser.get(f"{page}files/download/", text),
        "download": browser.get(f"{page}download/"),
        "page of files": browser.get(f"/orders/{stocked.order.id}/files/", text),
    }


def test_each_header_about_files_is_as_its_rfc_asks(contents):
    statuses = {
        "file": 200, "file, head": 200, "file, part": 206, "file, unchanged": 304, "file, other": 412,
        "file, beyond": 416, "file, not there": 404, "archive": 200, "files": 200, "versions": 200, "search": 200,
        "estimate": 503, "usage": 200, "raw": 200, "raw, no picture": 404, "page of a folder": 200,
        "page of a file": 200, "download of a file": 302, "page of files": 200,
    }  # fmt: skip
    assert {name: contents[name].status_code for name in statuses} == statuses
    assert {name: found for name, answer in contents.items() if (found := mistakes(answer))} == {}


@pytest.mark.parametrize(
    ("path", "volatile"),
    [("/livez", set()), ("/accounts/login/", {"Content-Security-Policy", "Expires"}), ("/nothing/", set())],
)
def test_head_has_the_headers_of_get(path, volatile, rental):
    browser = browser_of(rental.owner)
    whole, head = browser.get(path), browser.head(path)
    assert head.content == b""
    apart = {"X-Request-ID", "Content-Length", *volatile}
    kept = [{name: value for name, value in answer.items() if name not in apart} for answer in (whole, head)]
    assert kept[0] == kept[1]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {"Content-Encoding": "identity"}),
        (200, {"ETag": "abc"}),
        (206, {}),
        (204, {"Content-Length": "0"}),
        (405, {}),
        (401, {}),
        (200, {"Content-Disposition": f"attachment; filename*=UTF-8''{'%E7%95%8C' * 100}.tar.gz"}),
        (200, {"Content-Disposition": "attachment; filename=\"a\"; filename*=UTF-8''%E7%95"}),
        (200, {"Cache-Control": "no-store, max-age=60"}),
        (503, {"Retry-After": "soon"}),
    ],
)
def test_a_mistake_is_found(status, headers):
    assert mistakes(HttpResponse(status=status, headers=headers))
