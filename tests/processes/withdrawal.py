"""Remove a right to download: `python -m tests.processes.withdrawal`, JSON on stdin."""

from __future__ import annotations

import json
import sys
from uuid import uuid4


def main() -> None:
    """Do `what` to the asset's order and its readers."""
    options = json.load(sys.stdin)
    import django

    django.setup()

    from django.contrib.auth import SESSION_KEY
    from django.contrib.sessions.models import Session
    from django.utils import timezone

    from accounts.models import ApiToken, User
    from accounts.services.tokens import token_revoke
    from backups.models import Backup
    from orders.models import Order, OrderUserPermission
    from tests.factories import CustomerFactory, UserFactory

    order = Backup.objects.get(asset_id=options["asset"]).order
    owner = order.customer.owner
    tokens = ApiToken.objects.filter(user=owner)
    changes = {
        "token revoked": lambda: token_revoke(token=tokens.get(), actor=owner),
        "token expired": lambda: tokens.update(expires_at=timezone.now()),
        "token narrowed": lambda: tokens.update(scopes=["backups:read"]),
        "right withdrawn": lambda: OrderUserPermission.objects.filter(content_object=order).delete(),
        "session ended": lambda: [
            session.delete()
            for session in Session.objects.all()
            if session.get_decoded().get(SESSION_KEY) == str(owner.pk)
        ],
        "password changed": lambda: User.objects.filter(id=owner.id).update(password="!another"),
        "account disabled": lambda: User.objects.filter(id=owner.id).update(is_active=False),
        "order transferred": lambda: Order.objects.filter(id=order.id).update(
            customer=CustomerFactory(owner=UserFactory(username=uuid4().hex, password=None))
        ),
    }
    changes[options["what"]]()
    json.dump({}, sys.stdout)


if __name__ == "__main__":
    main()
