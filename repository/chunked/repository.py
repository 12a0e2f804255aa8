"""A repository: created once, and opened with its key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from repository.chunked.chunks.chunk import ChunkCipher
from repository.chunked.chunks.cipher import Suite
from repository.chunked.chunks.repository_keys import KeyWrap, RepositoryKeys
from repository.chunked.index.damaged import DamageLedger
from repository.chunked.index.index import Index
from repository.chunked.manifest.root import root_load
from repository.chunked.manifest.stream import Manifest
from repository.chunked.objects import KEYS, Objects, id_new
from repository.chunked.packs.fetching import ChunkStore
from repository.errors import ObjectDamaged, RepositoryExists, RepositoryKeyWrong, RepositoryNotFound, RepositoryUnknown
from repository.retrying import RetryingStorage
from repository.sealing.frames import Damaged, SealContext, SealError, UnknownFormat, WrongKey
from repository.storage import ObjectExists, ObjectNotFound, Storage

Clock = Callable[[], datetime]


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Repository:
    """An open repository; operations are functions that take one.

    `clock` dates new objects; the portal passes the database's clock. `damage` records copies that do not open.
    """

    keys: RepositoryKeys
    objects: Objects
    cipher: ChunkCipher
    clock: Clock
    damage: DamageLedger

    def chunks(self) -> ChunkStore:
        """The chunks, with the current index."""
        return self.chunks_in(Index.for_reading(self.objects))

    def chunks_in(self, index: Index) -> ChunkStore:
        """The chunks, with that index."""
        return ChunkStore(self.objects, self.cipher, index, self.damage)

    def manifest(self, snapshot: bytes, chunks: ChunkStore | None = None) -> Manifest:
        """A snapshot's manifest; raises `SnapshotNotFound`, `Damage`, `StorageError`."""
        return Manifest(root_load(self.objects, snapshot), chunks or self.chunks())

    def time(self) -> str:
        """The time now, in the format of stored objects."""
        return time_text(self.clock())


def time_text(moment: datetime) -> str:
    """A time in UTC in the format of FORMAT.md."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def repository_create(
    storage: Storage,
    *,
    tenant: UUID,
    repository: UUID,
    keys: KeyWrap,
    suite: Suite = Suite.AES_256_GCM,
    clock: Clock = now,
) -> Repository:
    """Create an empty repository. Raises `RepositoryExists`, `StorageError`."""
    retrying = _retrying(storage)
    plain = _Plain(retrying, tenant=tenant, repository=repository)
    if plain.key_objects():
        raise RepositoryExists("a repository already exists")
    found = RepositoryKeys.generate(tenant=tenant, repository=repository, suite=suite, created_at=time_text(clock()))
    try:
        # The first key object's name can be taken once: of two concurrent creations, one is refused.
        plain.store(found, keys, name=repository.bytes)
    except ObjectExists:
        raise RepositoryExists("a repository already exists") from None
    return _opened(retrying, found, clock)


def repository_open(
    storage: Storage,
    *,
    tenant: UUID,
    repository: UUID,
    keys: KeyWrap,
    clock: Clock = now,
    records_damage: bool = True,
) -> Repository:
    """Open an existing repository; without `records_damage`, reading writes nothing.

    Raises `RepositoryNotFound`, `RepositoryKeyWrong`, `ObjectDamaged`, `RepositoryUnknown`, `StorageError`.
    """
    retrying = _retrying(storage)
    found = _Plain(retrying, tenant=tenant, repository=repository).load(keys)
    return _opened(retrying, found, clock, records_damage=records_damage)


def repository_keys_rotate(storage: Storage, *, tenant: UUID, repository: UUID, old: KeyWrap, new: KeyWrap) -> None:
    """Wrap the repository key with a new key, and delete the other wraps; no other object is touched.

    The new wrap is read back before an old one is deleted. After a crash either key opens the repository, and the same
    call completes the work. Raises the errors of opening; `ObjectDamaged` also when the new wrap does not read back.
    """
    plain = _Plain(_retrying(storage), tenant=tenant, repository=repository)
    before = plain.key_objects()
    try:
        found = plain.load(old)
    except RepositoryKeyWrong:
        found = plain.load(new)  # an earlier call has stored the new wrap
    kept = plain.store(found, new, name=id_new())
    try:
        is_whole = plain.read(kept, new).key == found.key
    except (SealError, ObjectNotFound):
        is_whole = False
    if not is_whole:
        raise ObjectDamaged("the new key object does not read back; the old ones were left")
    for name in before:
        plain.delete(name)


class _Plain:
    """The key objects, which are read before any key is known."""

    def __init__(self, storage: RetryingStorage, *, tenant: UUID, repository: UUID) -> None:
        self._objects = Objects(storage, tenant=tenant, repository=repository, object_key=b"")
        self._tenant = tenant
        self._repository = repository

    def key_objects(self) -> list[bytes]:
        return [name for name, _ in self._objects.list(KEYS)]

    def store(self, keys: RepositoryKeys, wrap: KeyWrap, *, name: bytes) -> bytes:
        self._objects.put_raw(KEYS, name, [wrap.wrap(keys.encoded(), context=self._context(name))])
        return name

    def delete(self, name: bytes) -> None:
        self._objects.delete(KEYS, name)

    def read(self, name: bytes, wrap: KeyWrap) -> RepositoryKeys:
        stored = self._objects.get_raw(KEYS, name)
        keys = RepositoryKeys.decode(wrap.unwrap(stored, context=self._context(name)))
        if (keys.tenant, keys.repository) != (self._tenant, self._repository):
            raise Damaged("a key object of another repository")
        return keys

    def load(self, wrap: KeyWrap) -> RepositoryKeys:
        """The keys from the first object that opens; an error of one object is raised only when none opens."""
        # An empty listing is no proof of an empty storage, and the first key object's name is known.
        listed = self.key_objects()
        names = listed or [self._repository.bytes]
        said: list[Exception] = []
        for name in names:
            try:
                return self.read(name, wrap)
            except (WrongKey, Damaged, UnknownFormat, ObjectDamaged, ObjectNotFound) as error:
                said.append(error)
        if not listed and all(isinstance(error, ObjectNotFound) for error in said):
            raise RepositoryNotFound("there is no repository here")
        if any(isinstance(error, WrongKey) for error in said):
            raise RepositoryKeyWrong("the key is not the repository's")
        if any(isinstance(error, UnknownFormat) for error in said):
            raise RepositoryUnknown("the repository was written by a later release")
        raise ObjectDamaged("the repository's key object is damaged")

    def _context(self, name: bytes) -> SealContext:
        return SealContext(self._tenant, self._repository, KEYS.kind, KEYS.key(name))


def _retrying(storage: Storage) -> RetryingStorage:
    return storage if isinstance(storage, RetryingStorage) else RetryingStorage(storage)


def _opened(storage: RetryingStorage, keys: RepositoryKeys, clock: Clock, *, records_damage: bool = True) -> Repository:
    objects = Objects(storage, tenant=keys.tenant, repository=keys.repository, object_key=keys.derive("objects"))
    return Repository(keys, objects, ChunkCipher(keys), clock, DamageLedger(objects, is_kept=records_damage))
