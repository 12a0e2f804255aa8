"""Snapshots of repositories, opened by the real command where neither Django nor the portal can be imported."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from demo.comparison import digest, tree_read
from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.repository import repository_create
from repository.chunked.snapshots.create import snapshot_create
from tests.opener.conftest import Place
from tests.opener.places import Tenant
from trees.local.tree import LocalTree

MIB = 1 << 20
LABELS = {"order_name": "Survival", "provision_name": "World", "backup_name": "Nightly"}


@dataclass
class Kept:
    """A world, and its snapshot."""

    world: Path
    tenant: Tenant
    repository: UUID
    name: str


@pytest.fixture
def world(tmp_path: Path) -> Path:
    root = tmp_path / "world"
    (root / "region").mkdir(parents=True)
    (root / "region" / "r.0.0.mca").write_bytes(os.urandom(3 * MIB))
    (root / "level.dat").write_bytes(b"level" * 1000)
    (root / "empty").mkdir()
    (root / "latest").symlink_to("region/r.0.0.mca")
    os.link(root / "level.dat", root / "level.dat_old")
    (root / os.fsdecode(b"odd \xff\x1b[31m")).write_bytes(b"odd")
    return root


def keep(place: Place, world: Path, **labels: str) -> Kept:
    tenant = place.tenant()
    tenant.keys_copy()
    made = repository_create(place.storage, tenant=tenant.tenant, repository=uuid4(), keys=DataKey(tenant.data_key))
    root = snapshot_create(made, source=LocalTree(world), labels=LABELS | labels)
    return Kept(world, tenant, made.keys.repository, root.snapshot.hex())


def tree(root: Path) -> dict[str, bytes]:
    return {os.fsdecode(path): entry.content for path, entry in tree_read(root).items()}


def test_a_snapshot_comes_out_as_it_was(place: Place, world: Path, tmp_path: Path) -> None:
    kept = keep(place, world)
    listed = place.run("list")
    assert (listed.code, listed.err) == (0, "")
    assert f"{kept.name}  snapshot" in listed.out
    assert "3.2 MB  Survival / World / Nightly  ok" in listed.out
    for words in ((), ("--data",)):
        answer = place.run("verify", *words)
        assert (answer.code, answer.out, answer.err) == (0, f"{kept.name}  ok\n", "nothing is damaged\n")
    answer = place.run("extract", kept.name[:10], "--to", tmp_path / "out")
    assert (answer.code, answer.err) == (0, "")
    assert tree(tmp_path / "out") == tree(world)
    assert (tmp_path / "out" / "level.dat").stat().st_nlink == 2


def test_the_paths_in_a_snapshot_are_listed_and_come_out_alone(folder: Place, world: Path, tmp_path: Path) -> None:
    kept = keep(folder, world)
    listed = folder.run("list", kept.name)
    assert (listed.code, listed.err) == (0, "")
    assert "    3.1 MB  region/r.0.0.mca\n" in listed.out
    assert "      link  latest\n" in listed.out
    # The name of a customer's file must not control the terminal.
    assert "\x1b" not in listed.out
    rows = [json.loads(line) for line in folder.run("list", kept.name, "--json").out.splitlines()]
    assert {row["path"] for row in rows if row["path"]} == set(tree(world))

    answer = folder.run("extract", kept.name, "region/", "--to", tmp_path / "out", "latest")
    assert (answer.code, answer.err) == (0, "")
    assert set(tree(tmp_path / "out")) == {"region", "region/r.0.0.mca", "latest"}
    answer = folder.run("extract", kept.name, "nether", "--to", tmp_path / "other")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert not (tmp_path / "other").exists()


def test_a_folder_that_holds_something_is_left_alone(folder: Place, world: Path, tmp_path: Path) -> None:
    kept = keep(folder, world)
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("mine")
    answer = folder.run("extract", kept.name, "--to", out)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "--force writes into it" in answer.err
    assert tree(out) == {"mine": digest(b"mine")}
    assert folder.run("extract", kept.name, "--to", out, "--force").code == 0
    assert tree(out) == {**tree(world), "mine": digest(b"mine")}


def test_order_option_narrows_the_list(folder: Place, world: Path) -> None:
    order = str(uuid4())
    kept, other = keep(folder, world, order=order), keep(folder, world)
    out = folder.run("list", "--order", order).out
    assert (kept.name in out, other.name in out) == (True, False)


def test_a_data_key_opens_the_repository_of_its_tenant(folder: Place, world: Path) -> None:
    kept, other = keep(folder, world), keep(folder, world)
    answer = folder.bare("list", "--key-file", "-", stdin=kept.tenant.data_key)
    assert (answer.code, kept.name in answer.out, other.name in answer.out) == (0, True, False)
    assert "none of the keys opens them: 1 repository" in answer.err
    answer = folder.bare("list", "--key-file", "-", stdin=bytes(32))
    assert answer.code == 2
    assert answer.err.startswith("savepoint-open: key unavailable: 2 repositories here")


def test_a_pack_with_a_flipped_bit_is_found_and_costs_only_its_files(
    folder: Place, world: Path, tmp_path: Path
) -> None:
    kept = keep(folder, world)
    largest = max(folder.stored("repositories").rglob("packs/*/*"), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    verified = folder.run("verify", "--data")
    assert verified.code == 1
    assert f"{kept.name}  damaged: 1 of " in verified.out
    assert "\n    region/r.0.0.mca: " in verified.out
    answer = folder.run("extract", kept.name, "--to", tmp_path / "out")
    assert answer.code == 1
    assert "not extracted: region/r.0.0.mca: damaged in storage" in answer.err
    whole = tree(world)
    del whole["region/r.0.0.mca"], whole["latest"]
    assert whole.items() <= tree(tmp_path / "out").items()


def test_a_missing_pack_is_found_without_reading_the_data(folder: Place, world: Path) -> None:
    kept = keep(folder, world)
    max(folder.stored("repositories").rglob("packs/*/*"), key=lambda path: path.stat().st_size).unlink()
    answer = folder.run("verify")
    assert answer.code == 1
    assert f"{kept.name}  damaged: " in answer.out


def test_a_damaged_root_is_shown_beside_the_others(folder: Place, world: Path, tmp_path: Path) -> None:
    kept = keep(folder, world)
    (root,) = folder.stored("repositories").rglob("snapshots/*")
    content = bytearray(root.read_bytes())
    content[-1] ^= 1
    root.write_bytes(content)
    listed = folder.run("list")
    assert listed.code == 1
    assert f"{kept.name}  snapshot  ?" in listed.out
    for words in (("verify",), ("extract", kept.name, "--to", tmp_path / "out"), ("list", kept.name)):
        assert folder.run(*words).code == 1
    assert not (tmp_path / "out").exists()
