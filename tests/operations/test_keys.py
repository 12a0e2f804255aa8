"""Keys: made once, copied beside the objects, rotated without touching an archive."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from accounts.models import Customer
from accounts.services.customers import customer_key
from common.errors import KeyUnavailable
from common.keyring import Keyring, kek_generate
from common.portal_keyring import portal_keyring
from provisions.models import Provision
from vault.models import DataKey
from vault.services.keys import data_key_ensure, data_key_get
from vault.services.opening import target_open

pytestmark = pytest.mark.django_db

FIRST = f"1:{kek_generate()}"
SECOND = f"2:{kek_generate()}"


@pytest.fixture
def keks(monkeypatch):
    """Put other KEKs into the portal's settings."""

    class Settings:
        def use(self, text):
            monkeypatch.setattr(settings, "ENVIRONMENT", type("Environment", (), {"master_keys": Keyring.parse(text)}))

    chosen = Settings()
    chosen.use(FIRST)
    return chosen


@pytest.fixture
def keyed(keks, shop):
    Path(shop.target.options["root"]).mkdir()
    key = data_key_ensure(customer=shop.order.customer, target=shop.target, storage=target_open(shop.target))
    return shop, key


def copies(shop):
    return sorted(path.name for path in Path(shop.target.options["root"], "keys").rglob("*.json"))


def test_a_data_key_is_made_once_for_a_tenant_and_target(keyed):
    shop, key = keyed
    again = data_key_ensure(customer=shop.order.customer, target=shop.target, storage=target_open(shop.target))
    assert again == key == data_key_get(customer=shop.order.customer, target=shop.target)
    assert len(key) == 32
    assert DataKey.objects.count() == 1


def test_a_database_from_before_the_key_finds_it_again_beside_the_objects(keyed):
    shop, key = keyed
    DataKey.objects.all().delete()
    again = data_key_ensure(customer=shop.order.customer, target=shop.target, storage=target_open(shop.target))
    assert again == key
    assert data_key_get(customer=shop.order.customer, target=shop.target) == key


def test_a_copy_that_another_tenant_key_wrapped_is_never_replaced(keyed):
    shop, _ = keyed
    customer = shop.order.customer
    customer.tenant_key = portal_keyring().wrap(b"o" * 32, context=f"tenant key {customer.id}".encode())
    customer.save()
    DataKey.objects.all().delete()
    with pytest.raises(KeyUnavailable):
        data_key_ensure(customer=customer, target=shop.target, storage=target_open(shop.target))


def test_the_bucket_and_the_kek_alone_open_the_data_key(keyed):
    shop, key = keyed
    (path,) = Path(shop.target.options["root"], "keys").rglob("*.json")
    copy = json.loads(path.read_text())
    tenant_key = Keyring.parse(FIRST).unwrap(
        base64.b64decode(copy["tenant_key"]), context=f"tenant key {copy['tenant']}".encode()
    )
    tenant_ring = Keyring.parse("1:" + base64.urlsafe_b64encode(tenant_key).decode())
    context = f"data key {copy['tenant']} {copy['target']}".encode()
    assert tenant_ring.unwrap(base64.b64decode(copy["data_key"]), context=context) == key


def test_rotation_wraps_everything_anew_and_keeps_every_key(keyed, keks, capsys):
    shop, key = keyed
    tenant_key = customer_key(shop.order.customer)
    keks.use(f"{SECOND},{FIRST}")
    call_command("rotate_keys")
    assert "0 failed" in capsys.readouterr().out

    keks.use(SECOND)
    customer = Customer.objects.get()
    assert customer_key(customer) == tenant_key
    assert data_key_get(customer=customer, target=shop.target) == key
    assert Provision.objects.get(kind="sidecar").token == "x"
    assert copies(shop) == [f"{shop.target.id}.2.json"]


def test_rotation_twice_changes_nothing_more(keyed, keks):
    keks.use(f"{SECOND},{FIRST}")
    call_command("rotate_keys")
    before = bytes(Customer.objects.get().tenant_key)
    call_command("rotate_keys")
    assert bytes(Customer.objects.get().tenant_key) == before


def test_a_rotation_that_could_not_write_a_copy_says_so_and_can_be_repeated(keyed, keks):
    shop, _ = keyed
    root = Path(shop.target.options["root"])
    keks.use(f"{SECOND},{FIRST}")
    root.rename(root.with_name("away"))
    with pytest.raises(CommandError, match="1 failed"):
        call_command("rotate_keys")
    root.with_name("away").rename(root)
    call_command("rotate_keys")
    assert copies(shop) == [f"{shop.target.id}.2.json"]


def test_a_missing_kek_is_an_unavailable_key_and_never_damage(keyed, keks):
    shop, _ = keyed
    keks.use(SECOND)
    with pytest.raises(KeyUnavailable):
        data_key_get(customer=shop.order.customer, target=shop.target)


def test_secret_columns_are_ciphertext_in_the_database(keyed):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT token FROM provisions_provision WHERE token IS NOT NULL")
        (raw,) = cursor.fetchone()
    assert bytes(raw) != b"x"
    assert len(bytes(raw)) > 40
