"""Data keys: each seals the objects of one tenant on one target, and has a copy beside them.

KEK wraps tenant key (`accounts.Customer`), tenant key wraps data key. A copy of both wraps lies in the target, so
that the bucket and the KEK alone are enough to open everything.
"""

from __future__ import annotations

import secrets
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.models import Customer
from accounts.services.customers import customer_key
from common.errors import KeyUnavailable
from common.key_copies import KeyCopy, copy_load, copy_name, data_key_context, tenant_ring
from common.keyring import Keyring, KeyringError
from common.portal_keyring import portal_keyring
from common.states import compare_and_set
from repository.storage import ObjectExists, Storage
from vault.models import DataKey, StorageTarget

KEY_BYTES = 32


def data_key_ensure(*, customer: Customer, target: StorageTarget, storage: Storage) -> bytes:
    """The tenant's data key on a target. A missing one is made, and its copy is updated before the key is used.

    Raises KeyUnavailable, and StorageError when the copy cannot be written.
    """
    row = _row_ensure(customer, target)
    data_key_open(row)
    data_key_copy(row=row, storage=storage)
    return data_key_open(row)


def data_key_get(*, customer: Customer, target: StorageTarget) -> bytes:
    """The tenant's existing data key on a target. Raises KeyUnavailable."""
    row = DataKey.objects.select_related("customer").filter(customer=customer, target=target).first()
    if row is None:
        raise KeyUnavailable
    return data_key_open(row)


def data_key_restore(*, customer_id: UUID, target: StorageTarget, wrapped: bytes, copied_version: int) -> bool:
    """Store a data key out of its copy, unless the tenant has one on the target; return whether it was stored."""
    _, made = DataKey.objects.get_or_create(
        customer_id=customer_id, target=target, defaults={"wrapped": wrapped, "copied_version": copied_version}
    )
    return made


class DataKeys:
    """The data keys that one request uses: each is read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[UUID, UUID], bytes] = {}

    def get(self, *, customer: Customer, target: StorageTarget) -> bytes:
        """As `data_key_get`."""
        name = (customer.id, target.id)
        if name not in self._known:
            self._known[name] = data_key_get(customer=customer, target=target)
        return self._known[name]


def data_key_open(row: DataKey) -> bytes:
    """Unwrap a data key, 32 bytes. Raises KeyUnavailable."""
    try:
        return _tenant_ring(row.customer).unwrap(bytes(row.wrapped), context=_context(row))
    except KeyringError as error:
        raise KeyUnavailable from error


def data_key_copy(*, row: DataKey, storage: Storage) -> bool:
    """Write the copy of a key beside the objects, unless a current one exists; return whether it was written.

    Each KEK version has its own object, since keys of objects are never reused; the older one is deleted afterwards.
    """
    wrapped = bytes(row.customer.tenant_key)
    version = portal_keyring().version_of(wrapped)
    if row.copied_version == version:
        return False
    copy = KeyCopy(
        tenant=row.customer_id, target=row.target_id, kek=version, tenant_key=wrapped, data_key=bytes(row.wrapped)
    )
    content, name = copy.dump(), _copy_name(row, version)
    try:
        with storage.writer(name, expected_size=len(content)) as writer:
            writer.write(content)
            writer.commit()
    except ObjectExists:
        _copy_adopt(row, copy_load(b"".join(storage.read(name))))
    previous = row.copied_version
    if compare_and_set(DataKey.objects.filter(id=row.id, copied_version=previous), copied_version=version):
        row.copied_version = version
        if previous is not None:
            storage.delete(_copy_name(row, previous))
    return True


def _copy_adopt(row: DataKey, copy: KeyCopy) -> None:
    """Make the key of an existing copy the row's key: objects beside the copy may be sealed with it.

    Such a copy exists after a worker died before recording it, or when the database was restored from an earlier
    state. The row's own key has sealed nothing, since no copy of it was recorded. Raises KeyUnavailable when the copy
    is wrapped by another tenant key.
    """
    wrapped = copy.data_key
    try:
        key = _tenant_ring(row.customer).unwrap(wrapped, context=_context(row))
    except KeyringError as error:
        raise KeyUnavailable from error
    if key != data_key_open(row):
        if row.copied_version is not None:
            raise KeyUnavailable
        compare_and_set(DataKey.objects.filter(id=row.id, copied_version=None), wrapped=wrapped)
        row.wrapped = wrapped


def _copy_name(row: DataKey, version: int) -> str:
    return copy_name(tenant=row.customer_id, target=row.target_id, kek=version)


def _row_ensure(customer: Customer, target: StorageTarget) -> DataKey:
    rows = DataKey.objects.select_related("customer")
    row = rows.filter(customer=customer, target=target).first()
    if row is not None:
        return row
    row = DataKey(customer=customer, target=target)
    row.wrapped = _tenant_ring(customer).wrap(secrets.token_bytes(KEY_BYTES), context=_context(row))
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        # Two first backups ran at once: the key that was stored first is used.
        row = rows.get(customer=customer, target=target)
    return row


def _tenant_ring(customer: Customer) -> Keyring:
    return tenant_ring(customer_key(customer))


def _context(row: DataKey) -> bytes:
    return data_key_context(row.customer_id, row.target_id)
