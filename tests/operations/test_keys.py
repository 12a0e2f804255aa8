"""Keys: created once, copied beside the objects, rotated without touching an archive."""

from __future__ import annotations

import base64
import json

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from accounts.models import Customer
from accounts.services.customers import customer_key
from common.errors import KeyUnavailable
from common.keyring import Keyring, kek_generate
from common.portal_keyring import portal_keyring
from provisions.models import Provision
from vault.models import DataKey, StorageTarget
from vault.services.keys import data_key_ensure, data_key_get
from vault.services.opening import target_open

pytestmark = pytest.mark.django_db

FIRST = f"1:{kek_generate()}"
SECOND = f"2:{kek_generate()}"


@pytest.fixture
def keks(monkeypatch):
    """Replace the KEKs in the portal's settings."""

    class Settings:
        def use(self, text):
            monkeypatch.setattr(settings, "ENVIRONMENT", type("Environment", (), {"master_keys": Keyring.parse(text)}))

    chosen = Settings()
    chosen.use(FIRST)
    return chosen


@pytest.fixture
def keyed(keks, rental):
    key = data_key_ensure(customer=rental.order.customer, target=rental.target, storage=target_open(rental.target))
    return rental, key


def copies(rental):
    return sorted(path.name for path in (rental.root / "keys").rglob("*.json"))


def test_a_data_key_is_made_once_for_a_tenant_and_target(keyed):
    rental, key = keyed
    again = data_key_ensure(customer=rental.order.customer, target=rental.target, storage=target_open(rental.target))
    assert again == key == data_key_get(customer=rental.order.customer, target=rental.target)
    assert len(key) == 32
    assert DataKey.objects.count() == 1


def test_a_database_from_before_the_key_finds_it_again_beside_the_objects(keyed):
    rental, key = keyed
    DataKey.objects.all().delete()
    again = data_key_ensure(customer=rental.order.customer, target=rental.target, storage=target_open(rental.target))
    assert again == key
    assert data_key_get(customer=rental.order.customer, target=rental.target) == key


def test_a_copy_that_another_tenant_key_wrapped_is_never_replaced(keyed):
    rental, _ = keyed
    customer = rental.order.customer
    customer.tenant_key = portal_keyring().wrap(b"o" * 32, context=f"tenant key {customer.id}".encode())
    customer.save()
    DataKey.objects.all().delete()
    with pytest.raises(KeyUnavailable):
        data_key_ensure(customer=customer, target=rental.target, storage=target_open(rental.target))


def test_the_bucket_and_the_kek_alone_open_the_data_key(keyed):
    rental, key = keyed
    (path,) = (rental.root / "keys").rglob("*.json")
    copy = json.loads(path.read_text())
    tenant_key = Keyring.parse(FIRST).unwrap(
        base64.b64decode(copy["tenant_key"]), context=f"tenant key {copy['tenant']}".encode()
    )
    tenant_ring = Keyring.parse("1:" + base64.urlsafe_b64encode(tenant_key).decode())
    context = f"data key {copy['tenant']} {copy['target']}".encode()
    assert tenant_ring.unwrap(base64.b64decode(copy["data_key"]), context=context) == key


def test_rotation_wraps_everything_anew_and_keeps_every_key(keyed, keks, capsys):
    rental, key = keyed
    token = rental.sidecar.token
    tenant_key = customer_key(rental.order.customer)
    keks.use(f"{SECOND},{FIRST}")
    call_command("rotate_keys")
    assert "0 failed" in capsys.readouterr().out

    keks.use(SECOND)
    customer = Customer.objects.get()
    assert customer_key(customer) == tenant_key
    assert data_key_get(customer=customer, target=rental.target) == key
    assert Provision.objects.get(kind="sidecar").token == token
    assert copies(rental) == [f"{rental.target.id}.2.json"]


def test_rotation_twice_changes_nothing_more(keyed, keks):
    keks.use(f"{SECOND},{FIRST}")
    call_command("rotate_keys")
    before = bytes(Customer.objects.get().tenant_key)
    call_command("rotate_keys")
    assert bytes(Customer.objects.get().tenant_key) == before


def test_rotation_with_an_unwritten_copy_reports_it_and_is_repeatable(keyed, keks):
    rental, _ = keyed
    root = rental.root
    keks.use(f"{SECOND},{FIRST}")
    root.rename(root.with_name("away"))
    with pytest.raises(CommandError, match="1 failed"):
        call_command("rotate_keys")
    root.with_name("away").rename(root)
    call_command("rotate_keys")
    assert copies(rental) == [f"{rental.target.id}.2.json"]


@pytest.mark.parametrize("options", [{"root": "relative"}, {"folder": "/backups"}, []])
def test_rotation_with_a_target_that_cannot_be_opened_reports_it(keyed, keks, options):
    StorageTarget.objects.update(options=options)
    keks.use(f"{SECOND},{FIRST}")
    with pytest.raises(CommandError, match="1 failed"):
        call_command("rotate_keys")


def test_a_missing_kek_is_an_unavailable_key_and_never_damage(keyed, keks):
    rental, _ = keyed
    keks.use(SECOND)
    with pytest.raises(KeyUnavailable):
        data_key_get(customer=rental.order.customer, target=rental.target)


def test_secret_columns_are_ciphertext_in_the_database(keyed):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT token FROM provisions_provision WHERE token IS NOT NULL")
        (raw,) = cursor.fetchone()
    assert bytes(raw) != b"x"
    assert len(bytes(raw)) > 40
