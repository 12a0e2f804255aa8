"""Make customers of one portal, each with a downloadable backup: `python -m tests.processes.crowd`, JSON on stdin."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from accounts.models import User


def main() -> None:
    """Make customers with archives of that many bytes; print each one's asset, and headers that allow its download."""
    options = json.load(sys.stdin)
    import django

    django.setup()

    from orders.models import Plan
    from repository.archive.object_keys import archive_context
    from repository.sealing.sealed import seal_bytes
    from tests.factories import (
        AssetFactory,
        BackupFactory,
        CustomerFactory,
        OrderFactory,
        OrderUserPermissionFactory,
        ProvisionFactory,
        UserFactory,
    )
    from vault.models import Asset, StorageTarget
    from vault.services.keys import data_key_ensure
    from vault.services.opening import target_open

    target = StorageTarget.objects.get()
    plan = Plan.objects.order_by("name")[0]
    storage, content = target_open(target), os.urandom(options["bytes"])
    crowd = []
    for _ in range(options["customers"]):
        # Hashing a password takes a third of a second, and these users never sign in.
        customer = CustomerFactory(owner=UserFactory(username=uuid4().hex, password=None))
        data_key = data_key_ensure(customer=customer, target=target, storage=storage)
        asset = AssetFactory(
            customer=customer, target=target, key=f"backups/{uuid4()}.tar.gz", sealed=True, content=content
        )
        context = archive_context(tenant=customer.id, target=target.id, key=asset.key)
        sealed = seal_bytes(content, data_key=data_key, context=context)
        stored = sealed if options["sealed"] else content
        with storage.writer(asset.key, expected_size=len(stored)) as writer:
            writer.write(stored)
            writer.commit()
        Asset.objects.filter(id=asset.id).update(stored_bytes=len(stored), sealed=options["sealed"])
        order = OrderFactory(customer=customer, plan=plan)
        BackupFactory(provision=ProvisionFactory(order=order), asset=asset)
        member = UserFactory(username=uuid4().hex, password=None)
        OrderUserPermissionFactory(content_object=order, user=member, right="download_backup")
        crowd.append(
            {
                "asset": str(asset.id),
                "owner": _bearer(customer.owner),
                "member": _bearer(member),
                "session": _session(customer.owner),
            }
        )
    json.dump(crowd, sys.stdout)


def _bearer(user: User) -> str:
    from accounts.services.tokens import token_create

    return f"Authorization: Bearer {token_create(user=user, name='downloads')[1]}"


def _session(user: User) -> str:
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    from accounts.web.session_store import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return f"Cookie: {settings.SESSION_COOKIE_NAME}={session.session_key}"


if __name__ == "__main__":
    main()
