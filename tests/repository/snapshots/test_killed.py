"""R4 with a real process: whatever it had stored when it was killed is used by the next one."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

from repository.objects import MARKS, PACKS, SNAPSHOTS
from repository.packs.layout import directory_read
from repository.repository import repository_create, repository_open
from repository.snapshots.create import snapshot_create
from repository.sources.local import LocalTree
from targets.local import LocalStorage
from tests.repository.snapshots.kept import KEY, REPOSITORY, TENANT
from tests.repository.snapshots.killed import PACK_SIZE
from tests.repository.snapshots.trees import kept_picture, picture

PACKS_WHOLE = 8


def run(store: Path, tree: Path, at: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.repository.snapshots.killed", str(store), str(tree), str(at)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_snapshot_that_is_killed_is_gone_on_with(tmp_path: Path) -> None:
    tree, store = tmp_path / "tree", tmp_path / "store"
    tree.mkdir()
    store.mkdir()
    for number in range(PACKS_WHOLE):
        (tree / f"{number}.zip").write_bytes(Random(number).randbytes(PACK_SIZE - 1000))  # noqa: S311
    repository_create(LocalStorage(store), tenant=TENANT, repository=REPOSITORY, keys=KEY)
    probe = shutil.copytree(store, tmp_path / "probe")
    ended = run(probe, tree, 0)
    assert ended.returncode == 0, ended.stderr
    calls = int(ended.stdout)
    for share in (0.5, 0.8, 0.95):
        again = shutil.copytree(store, tmp_path / f"store {share}")
        ended = run(again, tree, int(calls * share))
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        repository = repository_open(LocalStorage(again), tenant=TENANT, repository=REPOSITORY, keys=KEY)
        assert list(repository.objects.list(SNAPSHOTS)) == []
        assert len(list(repository.objects.list(MARKS))) == 1
        left = dict(repository.objects.list(PACKS))
        assert len(left) >= 2
        root = snapshot_create(repository, source=LocalTree(tree))
        assert kept_picture(repository, root.snapshot) == picture(tree)
        chunks = [
            chunk
            for pack, size in repository.objects.list(PACKS)
            for chunk, _ in directory_read(repository.objects, pack, size)
        ]
        assert len(chunks) == len(set(chunks))
        assert root.added_bytes < (PACKS_WHOLE - len(left) + 2) * PACK_SIZE
