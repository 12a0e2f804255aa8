"""Writes of customers and their keys."""

from __future__ import annotations

import secrets
from uuid import UUID, uuid4

from django.db import transaction

from accounts.errors import RightsExceeded
from accounts.models import Customer, User
from accounts.services.audit import audit_record
from common.errors import KeyUnavailable
from common.key_copies import tenant_key_context
from common.keyring import KeyringError
from common.locks import row_lock
from common.portal_keyring import portal_keyring
from common.states import compare_and_set

KEY_BYTES = 32
NOBODY = "rebuilt"
"""The user name of the owner of tenants that were brought back without their database."""


def customer_create(*, name: str, owner: User, actor: User | None = None) -> Customer:
    """Create a tenant with a fresh random key of its own; `actor` defaults to the owner."""
    customer = Customer(id=uuid4(), name=name, owner=owner)
    customer.tenant_key = portal_keyring().wrap(secrets.token_bytes(KEY_BYTES), context=_context(customer))
    with transaction.atomic():
        customer.save(force_insert=True)
        audit_record(actor=actor or owner, action="customer.create", object_id=customer.id)
    return customer


def customer_restore(*, customer_id: UUID, tenant_key: bytes) -> bool:
    """Make a tenant again with its id and its wrapped key, unless it exists; return whether it was made.

    Its owner is a user who cannot sign in, until staff name the right one.
    """
    if Customer.objects.filter(id=customer_id).exists():
        return False
    owner, new = User.objects.get_or_create(username=NOBODY, defaults={"is_active": False})
    if new:
        owner.set_unusable_password()
        owner.save(update_fields=["password"])
    customer = Customer.objects.create(id=customer_id, name=str(customer_id), owner=owner, tenant_key=tenant_key)
    audit_record(actor=None, action="customer.restore", object_id=customer.id)
    return True


def customer_update(*, customer: Customer, name: str, owner: User, actor: User) -> None:
    """Rename a tenant, or give it another owner.

    An owner has every right on every order of the tenant, so only a superuser names another one: raises
    RightsExceeded. The keys stay with the tenant.
    """
    with transaction.atomic():
        before = row_lock(Customer.objects.filter(id=customer.id)) or customer
        if before.owner_id != owner.pk and not actor.is_superuser:
            raise RightsExceeded
        Customer.objects.filter(id=customer.id).update(name=name, owner=owner)
        audit_record(
            actor=actor,
            action="customer.update",
            object_id=customer.id,
            name=name,
            owner=str(owner.pk),
            owner_before=str(before.owner_id),
        )


def customer_key(customer: Customer) -> bytes:
    """The tenant key, 32 bytes. Raises KeyUnavailable when its KEK is not configured or the wrap was altered."""
    try:
        return portal_keyring().unwrap(bytes(customer.tenant_key), context=_context(customer))
    except KeyringError as error:
        raise KeyUnavailable from error


def customer_key_rewrap(*, customer: Customer) -> bool:
    """Wrap the tenant key with the current KEK; return whether that changed anything. The key itself stays."""
    portal = portal_keyring()
    old = bytes(customer.tenant_key)
    if portal.version_of(old) == portal.current_version:
        return False
    new = portal.wrap(customer_key(customer), context=_context(customer))
    return compare_and_set(Customer.objects.filter(id=customer.id, tenant_key=old), tenant_key=new)


def _context(customer: Customer) -> bytes:
    return tenant_key_context(customer.id)
