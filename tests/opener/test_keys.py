"""The keys that open a backup: master keys, wrapped copies, a data key in a file."""

from __future__ import annotations

import base64
from pathlib import Path
from uuid import uuid4

import pytest

from common.keyring import kek_generate
from tests.opener.conftest import Place
from tests.opener.places import master_keys_make, name_of

CONTENT = b"content " * 100_000


@pytest.mark.parametrize("spelling", ["raw", "hex", "base64", "base64url", "standard input"])
def test_data_key_in_a_file_opens_its_objects(folder: Place, tmp_path: Path, spelling: str) -> None:
    tenant, other = folder.tenant(), folder.tenant()
    tenant.keys_copy(), other.keys_copy()
    name, locked = name_of(tenant.archive(CONTENT)), name_of(other.archive(CONTENT))
    key = tenant.data_key
    written = {
        "raw": key,
        "hex": key.hex().encode() + b"\n",
        "base64": base64.b64encode(key),
        "base64url": base64.urlsafe_b64encode(key).rstrip(b"="),
        "standard input": key.hex().encode(),
    }[spelling]
    (tmp_path / "key").write_bytes(written)
    file = "-" if spelling == "standard input" else tmp_path / "key"
    answer = folder.bare("verify", "--key-file", file, stdin=written)
    assert (answer.code, answer.out) == (0, f"{name}  ok\n")
    assert "none of the keys opens them: 1 archive" in answer.err
    assert locked not in answer.out


def test_data_key_with_a_named_tenant_needs_no_copies(folder: Place, tmp_path: Path) -> None:
    tenant = folder.tenant()
    name = name_of(tenant.archive(CONTENT))
    (tmp_path / "key").write_bytes(tenant.data_key)
    whose = ("--tenant", str(tenant.tenant), "--target", str(tenant.target))
    assert folder.bare("verify", "--key-file", tmp_path / "key", *whose).out == f"{name}  ok\n"
    assert folder.bare("verify", "--key-file", tmp_path / "key").code == 2


def test_a_copy_of_the_keys_may_lie_elsewhere(folder: Place, tmp_path: Path) -> None:
    tenant = folder.tenant()
    copy = tenant.keys_copy()
    name = name_of(tenant.archive(CONTENT))
    (lost,) = folder.stored("keys").rglob("*.json")
    lost.unlink()
    answer = folder.run("verify")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        "savepoint-open: key unavailable: the target has no copies of wrapped keys; give one with --keys-file\n"
    )
    (tmp_path / "copy.json").write_text(copy)
    assert folder.run("verify", "--keys-file", tmp_path / "copy.json").out == f"{name}  ok\n"


def test_the_copy_of_an_older_master_key_opens_with_both(folder: Place) -> None:
    tenant = folder.tenant()
    tenant.keys_copy()
    name = name_of(tenant.archive(CONTENT))
    folder.keys.write_text(f"2:{kek_generate()},{folder.keys.read_text()}")
    assert folder.run("verify").out == f"{name}  ok\n"


def test_another_key_is_unavailable_and_never_damage(folder: Place, tmp_path: Path) -> None:
    tenant = folder.tenant()
    tenant.keys_copy()
    name = name_of(tenant.archive(CONTENT))
    (tmp_path / "key").write_bytes(bytes(32))
    for words in (("list",), ("verify",), ("extract", name, "--to", tmp_path / "out")):
        answer = folder.bare(words[0], "--key-file", tmp_path / "key", *words[1:])
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith("savepoint-open: key unavailable: 1 archive here")
        assert answer.err.count("\n") == 1
    folder.keys.write_text(master_keys_make())
    answer = folder.run("list")
    assert (answer.code, answer.out) == (2, "")
    assert "key unavailable" in answer.err
    assert not (tmp_path / "out").exists()


def test_a_file_that_holds_no_key_is_refused_without_showing_it(folder: Place) -> None:
    answer = folder.bare("list", "--key-file", "-", stdin=b"hunter2-and-more")
    assert answer.code == 2
    assert "holds no data key" in answer.err
    folder.keys.write_text("1:hunter2")
    assert folder.run("list").code == 2
    assert "hunter2" not in answer.err + folder.run("list").err


def test_tenant_option_narrows_the_list(folder: Place) -> None:
    tenants = [folder.tenant(), folder.tenant()]
    names = []
    for tenant in tenants:
        tenant.keys_copy()
        names.append(name_of(tenant.archive(CONTENT)))
    assert folder.run("verify", "--tenant", str(tenants[1].tenant)).out == f"{names[1]}  ok\n"
    answer = folder.run("list", "--tenant", "me")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "invalid UUID value" in answer.err


@pytest.mark.parametrize("content", ['{"version":1,"tenant":5}', "[" * 60_000, "5", "{}", "not JSON"])
def test_damaged_key_copy_does_not_affect_others(folder: Place, content: str) -> None:
    tenant = folder.tenant()
    tenant.keys_copy()
    name = name_of(tenant.archive(CONTENT))
    spoiled = folder.stored(f"keys/{uuid4()}/{uuid4()}.1.json")
    spoiled.parent.mkdir(parents=True)
    spoiled.write_text(content)
    answer = folder.run("verify")
    assert (answer.code, answer.out) == (0, f"{name}  ok\n")
    assert f"{spoiled.name} is no copy of a key" in answer.err
