"""Objects that open but have invalid content: from a faulty release, or from an attacker with the key."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from random import Random
from typing import Any
from uuid import UUID

import msgpack
import pytest

from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.index.table import Table
from repository.chunked.manifest.records import PART_SIZE, Content, Record, blocks_in, parts_of, placed, record_pack
from repository.chunked.manifest.stream import Manifest
from repository.chunked.objects import INDEX, KEYS, PACKS
from repository.chunked.pack_layout import directory_read
from repository.errors import Damage, ManifestInvalid, ObjectDamaged
from repository.sealing.frames import SealContext
from tests.repository.damaged import FOLDERS, Made, repository_made, sayings
from tests.repository.test_repository_format import CONTENT, RECORDS, STAT
from trees.source import Kind

WHERE = (UUID(int=1), UUID(int=2), DataKey(bytes(range(32))))
STRANGE = (
    None,
    True,
    -1,
    0,
    7,
    1 << 63,
    1.5,
    "",
    "text",
    b"",
    b"bytes",
    [],
    [[]],
    [b"x", 1],
    {},
    {"a": 1},
    {b"a": b"b"},
)
CODES = {"backup_damaged", "repository_unknown", "another"}
# A valid manifest: records in order, and a file of two parts.
HOLE_PART = Content(b"", (PART_SIZE, -1, 0), b"", None)
LONG = Record(Kind.FILE, b"world", STAT, size=PART_SIZE + 74105, content=HOLE_PART)
MANIFEST = [
    *(RECORDS[name] for name in ("folder", "file", "symlink", "hardlink", "skipped")),
    LONG,
    RECORDS["part"]._replace(number=1, content=CONTENT._replace(blocks=CONTENT.blocks[:64])),
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return repository_made(WHERE, tmp_path_factory.mktemp("tree"))


def changed(value: Any) -> Iterator[Any]:
    """The value with one strange, missing or extra element, once at each place."""
    if isinstance(value, dict):
        for name in value:
            rest = {other: kept for other, kept in value.items() if other != name}
            yield rest
            yield from (rest | {name: inner} for inner in changed(value[name]))
        yield value | {"more": 1}
    elif isinstance(value, list):
        for at in range(len(value)):
            yield value[:at] + value[at + 1 :]
            yield from ([*value[:at], inner, *value[at + 1 :]] for inner in changed(value[at]))
        yield [*value, 1]
    yield from (strange for strange in STRANGE if strange != value or type(strange) is not type(value))


@pytest.mark.parametrize("folder", ["snapshots", "tombstones", "condemned", "marks"])
def test_a_map_that_holds_something_else_is_damage(sound: Made, folder: str) -> None:
    made, objects = sound.copied(), sound.opened().objects
    name = made.names[folder][0]
    for content in changed(objects.get_map(FOLDERS[folder], name)):
        plain = msgpack.packb(content, use_bin_type=True)
        made.storage.objects[made.key(folder)] = objects.seal(FOLDERS[folder], name, plain)
        assert set(sayings(made).values()) <= CODES, content


def test_a_key_object_that_holds_something_else_is_damage(sound: Made) -> None:
    made, (tenant, repository, key) = sound.copied(), WHERE
    name = made.names["keys"][0]
    context = SealContext(tenant, repository, KEYS.kind, KEYS.key(name))
    right = json.loads(key.unwrap(made.stored("keys"), context=context))
    for found in changed(right):
        try:
            plain = json.dumps(found).encode()
        except TypeError:
            continue  # JSON cannot encode it
        made.storage.objects[made.key("keys")] = key.wrap(plain, context=context)
        assert set(sayings(made).values()) <= CODES, found


def test_an_index_that_holds_something_else_is_damage(sound: Made) -> None:
    made, objects, random = sound.copied(), sound.opened().objects, Random(1)  # noqa: S311
    name = made.names["index"][0]
    plain = objects.get(INDEX, name)
    refused = 0
    for _ in range(300):
        at, broken = random.randrange(len(plain)), bytearray(plain)
        broken[at] ^= 1 << random.randrange(8)
        broken = broken[: random.choice([at, None, None])]
        made.storage.objects[made.key("index")] = objects.seal(INDEX, name, bytes(broken))
        try:
            Table.decode(bytes(broken))
        except ObjectDamaged:
            refused += 1
            assert sayings(made) == {}, "what it named is in the packs' own directories"
        else:
            assert set(sayings(made).values()) <= CODES
    assert refused > 100


def test_records_of_an_index_that_name_no_pack_of_it_are_damage() -> None:
    record = struct.Struct(">32sBBIIII")
    for kind, compression, number in ((3, 0, 0), (1, 2, 0), (1, 0, 1)):
        plain = struct.pack(">I16sII", 1, bytes(16), 100, 1) + record.pack(
            b"i" * 32, kind, compression, number, 16, 50, 9
        )
        with pytest.raises(ObjectDamaged):
            list(Table.decode(plain).find(b"i" * 32))


def test_a_directory_that_holds_something_else_is_damage(sound: Made) -> None:
    made, objects, random = sound.copied(), sound.opened().objects, Random(2)  # noqa: S311
    pack, stored = made.names["packs"][0], made.stored("packs")
    length = int.from_bytes(stored[-16:-12], "big")
    chunks, sealed = stored[: -16 - length], stored[-16 - length : -16]
    plain = objects.unseal(PACKS, pack, sealed)
    refused = 0
    for _ in range(300):
        at, broken = random.randrange(len(plain)), bytearray(plain)
        broken[at] ^= 1 << random.randrange(8)
        end = objects.seal(PACKS, pack, bytes(broken[: random.choice([at, None])]))
        made.storage.objects[made.key("packs")] = found = chunks + end + struct.pack(">I4x8s", len(end), b"SVPTPEND")
        try:
            directory_read(made.opened().objects, pack, len(found))
        except Damage:
            refused += 1
    assert refused > 100


def records_read(plain: bytes) -> None:
    """Read a manifest of that one chunk, as a restore does."""
    manifest = Manifest(None, None)
    manifest._plain = lambda first, ahead: iter([plain])
    for record, parts in manifest.files():
        spans = parts_of(record.size, record.header)
        for part, (start, stop) in zip([record, *parts], spans, strict=False):
            if part.content is not None:
                list(placed(part.content, start))
                list(blocks_in(part.content, start, stop, record.header))


@pytest.mark.parametrize("at", range(len(MANIFEST)), ids=lambda at: MANIFEST[at].kind.name.lower())
def test_a_record_that_says_something_else_is_refused_or_harmless(at: int) -> None:
    before, after = (b"".join(map(record_pack, some)) for some in (MANIFEST[:at], MANIFEST[at + 1 :]))
    right = msgpack.unpackb(record_pack(MANIFEST[at]), strict_map_key=False)
    refused = 0
    for strange in changed(right):
        try:
            records_read(before + msgpack.packb(strange, use_bin_type=True) + after)
        except ManifestInvalid:
            refused += 1
    assert refused > 5


@pytest.mark.parametrize("path", [b"/", b"a//b", b"..", b"a/..", b"./a", b"a/", b"a\0b", b"a" * 65536], ids=repr)
def test_a_path_that_leads_elsewhere_is_refused(path: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        records_read(record_pack(RECORDS["symlink"]._replace(path=path)))


def test_bytes_that_are_no_records_are_refused() -> None:
    random, right = Random(3), b"".join(map(record_pack, MANIFEST))  # noqa: S311
    records_read(right)
    for _ in range(500):
        at = random.randrange(len(right))
        try:
            records_read(right[:at] + random.randbytes(random.randint(0, 3)) + right[at + 1 :])
        except ManifestInvalid:
            continue


def test_a_file_of_more_bytes_than_its_parts_hold_is_refused_at_once() -> None:
    """Sizes are checked before any list of parts is built."""
    for record in (RECORDS["file"]._replace(size=1 << 62), RECORDS["file"]._replace(header=1 << 40)):
        with pytest.raises(ManifestInvalid):
            records_read(record_pack(record))
