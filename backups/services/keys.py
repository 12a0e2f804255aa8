"""The data keys that seal what a tenant has on a target, and their copies beside the objects.

KEK wraps tenant key (`accounts.Customer`), tenant key wraps data key. A copy of both wraps lies in the target, so
that the bucket and the KEK alone are enough to open everything.
"""

from __future__ import annotations

import base64
import json
import secrets

from django.db import IntegrityError, transaction

from accounts.models import Customer
from accounts.services.customers import customer_key
from backups.models import DataKey, StorageTarget
from common.errors import KeyUnavailable
from common.keyring import Keyring, KeyringError
from common.keys import portal_keyring
from common.states import compare_and_set
from repository.storage import ObjectExists, Storage

KEY_BYTES = 32


def data_key_ensure(*, customer: Customer, target: StorageTarget, storage: Storage) -> bytes:
    """The tenant's data key on a target, made when there is none, its copy brought up to date before it is used.

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


def data_key_open(row: DataKey) -> bytes:
    """Unwrap a data key, 32 bytes. Raises KeyUnavailable."""
    try:
        return _tenant_ring(row.customer).unwrap(bytes(row.wrapped), context=_context(row))
    except KeyringError as error:
        raise KeyUnavailable from error


def data_key_copy(*, row: DataKey, storage: Storage) -> bool:
    """Write the copy of a key beside the objects unless the current one is there; return whether it was written.

    One object for each KEK version, since keys of objects are never reused; the one it replaces is deleted afterwards.
    """
    wrapped = bytes(row.customer.tenant_key)
    version = portal_keyring().version_of(wrapped)
    if row.copied_version == version:
        return False
    content = json.dumps(
        {
            "version": 1,
            "tenant": str(row.customer_id),
            "target": str(row.target_id),
            "kek": version,
            "tenant_key": base64.b64encode(wrapped).decode(),
            "data_key": base64.b64encode(bytes(row.wrapped)).decode(),
        },
        sort_keys=True,
    ).encode()
    try:
        with storage.writer(copy_key(row, version), expected_size=len(content)) as writer:
            writer.write(content)
            writer.commit()
    except ObjectExists:
        _copy_adopt(row, json.loads(b"".join(storage.read(copy_key(row, version)))))
    previous = row.copied_version
    if compare_and_set(DataKey.objects.filter(id=row.id, copied_version=previous), copied_version=version):
        row.copied_version = version
        if previous is not None:
            storage.delete(copy_key(row, previous))
    return True


def _copy_adopt(row: DataKey, copy: dict[str, str]) -> None:
    """Make the key of a copy that is there already the row's key: objects beside it may be sealed with it.

    A worker died between writing the copy and noting it, or the database was brought back from before. The row's own
    key has sealed nothing while no copy of it was noted. Raises KeyUnavailable when the copy is of another tenant key.
    """
    wrapped = base64.b64decode(copy["data_key"])
    try:
        key = _tenant_ring(row.customer).unwrap(wrapped, context=_context(row))
    except KeyringError as error:
        raise KeyUnavailable from error
    if key != data_key_open(row):
        if row.copied_version is not None:
            raise KeyUnavailable
        compare_and_set(DataKey.objects.filter(id=row.id, copied_version=None), wrapped=wrapped)
        row.wrapped = wrapped


def copy_key(row: DataKey, version: int) -> str:
    """Where the copy of a data key lies whose tenant key is wrapped by that KEK version."""
    return f"keys/{row.customer_id}/{row.target_id}.{version}.json"


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
        # Two first backups at once: the other one's key is the key.
        row = rows.get(customer=customer, target=target)
    return row


def _tenant_ring(customer: Customer) -> Keyring:
    key = base64.urlsafe_b64encode(customer_key(customer)).decode()
    return Keyring.parse(f"1:{key}")


def _context(row: DataKey) -> bytes:
    return f"data key {row.customer_id} {row.target_id}".encode()
