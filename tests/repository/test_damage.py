"""Damaged repositories: every kind of object, broken in every way, gives the right error and changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import pytest

from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.maintenance.coverage import Coverage
from repository.chunked.maintenance.plan import PrunePlan
from repository.chunked.maintenance.prune import prune_execute, prune_plan
from repository.chunked.maintenance.verify import repository_verify
from repository.chunked.objects import PACKS
from repository.chunked.pack_layout import directory_read
from repository.chunked.repository import Repository
from repository.errors import ObjectDamaged, RepositoryError
from tests.repository.damaged import FOLDERS, HARM, Made, content, flipped, repository_made, sayings

KEY, OTHER_KEY = DataKey(bytes(range(32))), DataKey(bytes(range(1, 33)))
WHERE = {
    "ours": (UUID(int=1), UUID(int=2), KEY),
    "same tenant": (UUID(int=1), UUID(int=3), KEY),
    "other tenant": (UUID(int=9), UUID(int=2), OTHER_KEY),
}
DAMAGED = "backup_damaged"
# The results of reading a repository with one damaged object, by the object's folder.
SAID = {
    "keys": {"open": DAMAGED},
    "packs": {"read": DAMAGED},
    "index": {},  # the directories of packs take its place: tests/repository/test_damaged_index.py
    "snapshots": {"list": DAMAGED, "read": DAMAGED},
    "tombstones": {"list": "another"},  # its snapshot is listed again: a tombstone that does not open deletes nothing
    "condemned": {"write": DAMAGED},
    "marks": {"marks": DAMAGED},
}
SAID_WHEN_DELETED = SAID | {
    "keys": {"open": "repository_not_found"},
    "snapshots": {"list": "another", "read": "snapshot_not_found"},
    "condemned": {"write": "another"},
    "marks": {"marks": "another"},
}
# Chunks are read by their places in the index: a pack's directory is read only if no index names the pack.
UNREAD_OF_PACKS = {"last byte missing", "a byte more", "flipped at the beginning", "flipped at the end"}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    return {name: repository_made(where, tmp_path_factory.mktemp("tree")) for name, where in WHERE.items()}


def test_a_sound_repository_says_nothing(sound: dict[str, Made]) -> None:
    assert [sayings(made) for made in sound.values()] == [{}, {}, {}]


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("harm", HARM)
def test_an_object_with_changed_bytes_is_damage(sound: dict[str, Made], folder: str, harm: str) -> None:
    made = sound["ours"].copied()
    made.storage.objects[made.key(folder)] = HARM[harm](made.stored(folder))
    assert sayings(made) == ({} if folder == "packs" and harm in UNREAD_OF_PACKS else SAID[folder])


@pytest.mark.parametrize("harm", HARM)
def test_pack_with_a_damaged_directory_is_reported(sound: dict[str, Made], harm: str) -> None:
    made = sound["ours"].copied()
    key, pack = made.key("packs"), made.names["packs"][0]
    made.storage.objects[key] = HARM[harm](made.stored("packs"))
    if harm in {"flipped at the beginning", "flipped in the header", "flipped in the middle"}:
        assert directory_read(made.opened().objects, pack, len(made.stored("packs")))
        return
    with pytest.raises(ObjectDamaged, match=PACKS.key(pack)):
        directory_read(made.opened().objects, pack, len(made.stored("packs")))


@pytest.mark.parametrize("at", [0, 7, 8, 9, 10, 15], ids=["magic", "its end", "version", "suite", "zeros", "their end"])
def test_verify_looks_at_the_header_of_a_pack(sound: dict[str, Made], at: int) -> None:
    """Only verify reads the header, and no file is lost with it."""
    made = sound["ours"].copied()
    made.storage.objects[made.key("packs")] = flipped(made.stored("packs"), at)
    assert sayings(made) == {}
    report = repository_verify(made.opened(), coverage=Coverage.full())
    assert report.damaged == {PACKS.key(made.names["packs"][0]): ["does not begin as a pack does"]}
    assert [found.whole for found in report.snapshots] == [True, True]


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_object_in_another_ones_place_is_damage(sound: dict[str, Made], folder: str) -> None:
    made = sound["ours"].copied()
    if folder == "keys":
        made.storage.objects[made.key(folder)] = made.spare_key
    else:
        first, second = made.stored(folder), made.stored(folder, 1)
        made.storage.objects |= {made.key(folder): second, made.key(folder, 1): first}
    assert sayings(made) == SAID[folder]


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("origin", ["same tenant", "other tenant"])
def test_an_object_of_another_repository_is_damage(sound: dict[str, Made], origin: str, folder: str) -> None:
    """Only the key object reveals a wrong key: it alone is sealed with the caller's key."""
    made = sound["ours"].copied()
    made.storage.objects[made.key(folder)] = sound[origin].stored(folder)
    expected = {"open": "key_unavailable"} if (folder, origin) == ("keys", "other tenant") else SAID[folder]
    assert sayings(made) == expected


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_object_that_is_gone_is_missed(sound: dict[str, Made], folder: str) -> None:
    made = sound["ours"].copied()
    del made.storage.objects[made.key(folder)]
    assert sayings(made) == SAID_WHEN_DELETED[folder]


def broken(sound: dict[str, Made], folder: str, harm: str) -> tuple[Made, Repository, PrunePlan]:
    """A damaged repository a month from now, and a plan made the day before the damage."""
    made = sound["ours"].copied()
    repository = replace(made.opened(), clock=lambda: datetime.now(UTC) + timedelta(days=30))
    planned = prune_plan(repository)
    assert not planned.refusals
    stored = HARM[harm](made.stored(folder)) if harm in HARM else sound[harm].stored(folder)
    made.storage.objects[made.key(folder)] = stored
    return made, repository, planned


@pytest.mark.parametrize("folder", ["index", "snapshots", "condemned", "marks"])
@pytest.mark.parametrize("harm", [*HARM, "same tenant", "other tenant"])
def test_nothing_is_pruned_while_an_object_cannot_be_read(sound: dict[str, Made], folder: str, harm: str) -> None:
    """An unreadable object may name any chunk: neither a new plan nor an old one is carried out."""
    made, repository, planned = broken(sound, folder, harm)
    before = dict(made.storage.objects)
    assert prune_plan(repository).refusals
    with pytest.raises(RepositoryError) as raised:
        prune_execute(repository, planned)
    assert raised.value.code in {"prune_refused", DAMAGED}
    assert made.storage.objects == before


@pytest.mark.parametrize("harm", [*HARM, "same tenant", "other tenant"])
def test_snapshot_with_a_damaged_tombstone_outlives_every_prune(sound: dict[str, Made], harm: str) -> None:
    made, repository, planned = broken(sound, "tombstones", harm)
    files = [content(repository, snapshot) for snapshot in made.snapshots]
    prune_execute(repository, planned)
    for days in (31, 33, 35):
        later = replace(repository, clock=lambda days=days: datetime.now(UTC) + timedelta(days=days))
        prune_execute(later, prune_plan(later))
    assert [content(repository, snapshot) for snapshot in made.snapshots] == files


def test_a_key_object_that_opens_is_enough(sound: dict[str, Made]) -> None:
    made = sound["ours"].copied()
    for number, stored in enumerate((b"", made.spare_key, sound["other tenant"].stored("keys"))):
        made.storage.objects[made.key("keys")[:-32] + f"{number + 1000:032x}"] = stored
    assert sayings(made) == {}


def test_wrong_key_is_no_damage(sound: dict[str, Made]) -> None:
    made = sound["ours"].copied()
    made.where = (*made.where[:2], OTHER_KEY)
    assert sayings(made) == {"open": "key_unavailable"}


@pytest.mark.parametrize("seed", range(60))
def test_files_are_restored_correctly_or_not_at_all_after_any_damage(sound: dict[str, Made], seed: int) -> None:
    """Damages several objects at any place; an error that is not the repository's fails the test."""
    random, made = Random(seed), sound["ours"].copied()  # noqa: S311
    objects = made.storage.objects
    for key in random.sample(sorted(objects), random.randint(1, 3)):
        stored = objects[key]
        objects[key] = random.choice(
            [
                flipped(stored, random.randrange(len(stored))),
                stored[: random.randrange(len(stored))],
                stored + random.randbytes(random.randint(1, 100)),
                objects[random.choice(sorted(objects))],
            ]
        )
    codes = {"backup_damaged", "snapshot_not_found"}
    assert {code for name, code in sayings(made).items() if name != "list"} <= codes
