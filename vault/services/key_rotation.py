"""Rotates the KEK: everything it wraps is wrapped anew under the newest version; no archive is touched."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models import Model

from accounts.models import Customer
from accounts.services.audit import audit_record
from accounts.services.customers import customer_key_rewrap
from accounts.services.second_factor import second_factor_rewrap
from common.errors import ApplicationError, KeyUnavailable
from common.keyring import KeyringError
from common.locks import row_lock
from notices.models import Endpoint
from provisions.models import Provision, SidecarAuthority
from repository.storage import StorageError
from vault.models import DataKey, StorageTarget
from vault.services.keys import data_key_copy
from vault.services.opening import target_open

log = logging.getLogger(__name__)

ENCRYPTED_COLUMNS: tuple[tuple[type[Model], str], ...] = (
    (Provision, "token"),
    (SidecarAuthority, "key"),
    (StorageTarget, "secrets"),
    (Endpoint, "url"),
    (Endpoint, "secret"),
    (Endpoint, "old_secret"),
)


@dataclass(slots=True)
class Rotation:
    """The result of a rotation: counts of tenant keys re-wrapped, columns re-encrypted, copies rewritten, and failures.

    The secrets of second factors count as columns.
    """

    tenant_keys: int = 0
    columns: int = 0
    copies: int = 0
    failed: int = 0


def keys_rotate() -> Rotation:
    """Wrap everything under the newest KEK version. The run may be interrupted, and repeated at any time.

    Remove older versions from the keyring only after a run without failures.
    """
    done = Rotation()
    for customer in Customer.objects.iterator():
        try:
            done.tenant_keys += customer_key_rewrap(customer=customer)
        except (KeyUnavailable, KeyringError):
            log.exception("the key of customer %s cannot be opened", customer.id)
            done.failed += 1
    for model, column in ENCRYPTED_COLUMNS:
        _columns_rotate(model, column, done)
    for authenticator in Authenticator.objects.iterator():
        try:
            done.columns += second_factor_rewrap(authenticator=authenticator)
        except KeyUnavailable:
            log.exception("the second factor %s cannot be opened", authenticator.pk)
            done.failed += 1
    # Secrets of a target that cannot be decrypted must not end the whole run, so the query defers them.
    for row in DataKey.objects.select_related("customer", "target").defer("target__secrets").iterator():
        try:
            done.copies += data_key_copy(row=row, storage=target_open(row.target))
        except (StorageError, ApplicationError, KeyringError):
            log.exception("the copy of the data key %s cannot be written", row)
            done.failed += 1
    audit_record(actor=None, action="keys.rotate", tenant_keys=done.tenant_keys, copies=done.copies, failed=done.failed)
    return done


def _columns_rotate(model: type[Any], column: str, done: Rotation) -> None:
    for pk in model.objects.filter(**{f"{column}__isnull": False}).values_list("pk", flat=True):
        try:
            with transaction.atomic():
                row = row_lock(model.objects.filter(pk=pk))
                if row is not None:
                    row.save(update_fields=[column])
                    done.columns += 1
        except KeyUnavailable:
            log.exception("%s of %s %s cannot be opened", column, model.__name__, pk)
            done.failed += 1
