"""The rows of a portal, in a process with its settings: `python -m tests.rehearsals.rows`, options as JSON.

minutes: the whole database becomes so much older, as if that time had passed. plan: new values of all plans. schedule:
its runs, and the alarms of its order, are printed.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any

FAR = timedelta(days=3650)
"""Moved away and back: a time on its own way could meet that of another row, and a unique rule looks at each row."""
QUEUE = "django_q"


def main() -> None:
    """Do what the options ask for."""
    options = json.load(sys.stdin)
    import django

    django.setup()
    from orders.models import Plan

    if "plan" in options:
        assert Plan.objects.update(**options["plan"])
    if "minutes" in options:
        _age(timedelta(minutes=options["minutes"]))
    json.dump(_story(options["schedule"]) if "schedule" in options else {}, sys.stdout, default=str)


def _age(by: timedelta) -> None:
    from django.apps import apps
    from django.db import models, transaction
    from django.db.models import F

    with transaction.atomic():
        for model in apps.get_models():
            columns = model._meta.concrete_fields  # Django's public name for it
            times = [column.attname for column in columns if type(column) is models.DateTimeField]
            if times and apps.get_containing_app_config(model.__module__).label != QUEUE:
                for step in (-FAR, FAR - by):
                    model._default_manager.update(**{name: F(name) + step for name in times})


def _story(schedule: str) -> dict[str, Any]:
    from accounts.models import AuditEvent
    from notices.models import Notice
    from schedules.models import Schedule

    found = Schedule.objects.get(id=schedule)
    runs = found.runs.order_by("due_at").values("due_at", "due_since", "state", "error_code", "started_at")
    alarms = AuditEvent.objects.filter(order_id=found.order_id, action__in=["backup.absent", "backup.present"])
    return {
        "runs": list(runs),
        "alarms": list(alarms.order_by("id").values_list("action", flat=True)),
        "inbox": list(Notice.objects.filter(event__order=found.order_id).values_list("event__kind", flat=True)),
    }


if __name__ == "__main__":
    main()
