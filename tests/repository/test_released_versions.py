"""Repositories of every released format, kept as written: product and independent reader restore them."""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import UUID

import pytest

from repository.chunked.chunks.cipher import Suite
from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.repository import repository_open
from repository.chunked.restoring.restore import snapshot_restore
from repository.chunked.snapshots.listing import snapshots_list
from targets.local import LocalStorage
from tests.repository import reader
from tests.repository.golden_tree import REGION, tree_first, tree_second
from tests.repository.test_reader import content_of, portrait

GOLDEN = Path(__file__).parent / "golden"
TENANT, REPOSITORY = UUID("11111111-2222-4333-8444-555555555555"), UUID("66666666-7777-4888-9999-aaaaaaaaaaaa")
DATA_KEY = bytes(range(32))
KEPT = {"repository-v1-aes": Suite.AES_256_GCM, "repository-v1-xchacha": Suite.XCHACHA20_POLY1305}


@pytest.fixture
def trees(tmp_path: Path) -> list[dict[bytes, tuple[object, ...]]]:
    """The expected tree of each snapshot."""
    root = tmp_path / "tree"
    root.mkdir()
    found = []
    for step in (tree_first, tree_second):
        step(root)
        found.append(portrait(root))
    return found


def test_every_kept_repository_is_tested() -> None:
    assert {path.name for path in GOLDEN.iterdir() if path.is_dir()} == set(KEPT)


@pytest.mark.parametrize("name", KEPT)
def test_a_repository_of_a_released_version_is_restored_by_the_product(
    name: str, tmp_path: Path, trees: list[dict[bytes, tuple[object, ...]]]
) -> None:
    shutil.copytree(GOLDEN / name, tmp_path / "store")
    storage = LocalStorage(tmp_path / "store")
    repository = repository_open(storage, tenant=TENANT, repository=REPOSITORY, keys=DataKey(DATA_KEY))
    assert repository.keys.suite is KEPT[name]
    listed = snapshots_list(repository)
    assert not listed.damaged
    assert [root.created_at for root in listed.roots] == ["2026-01-31T12:00:00.000000Z", "2026-02-01T12:00:00.000000Z"]
    for number, root in enumerate(listed.roots):
        target = tmp_path / f"restored {number}"
        report = snapshot_restore(repository, snapshot=root.snapshot, target=target, special_bits=True)
        assert not report.failed
        assert portrait(target) == trees[number]


@pytest.mark.parametrize("name", KEPT)
def test_a_repository_of_a_released_version_is_restored_by_the_reader(
    name: str, tmp_path: Path, trees: list[dict[bytes, tuple[object, ...]]]
) -> None:
    independent = reader.Repository(GOLDEN / name, TENANT, REPOSITORY, DATA_KEY)
    snapshots = {root["labels"]["round"]: snapshot for snapshot, root in independent.snapshots().items()}
    for number, tree in enumerate(trees):
        target = tmp_path / f"restored {number}"
        independent.restore(snapshots[str(number)], target)
        assert portrait(target) == tree
    first, second = (content_of(independent, snapshots[number], REGION) for number in "01")
    assert set(reader.split(first[0], 32)) & set(reader.split(second[0], 32)), "no chunk is shared"
