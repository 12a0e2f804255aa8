"""`manage.py worker`: the supervised queue workers."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from operations.supervision.supervisor import Supervision


class Command(BaseCommand):
    help = "Run the workers under supervision, until SIGTERM."
    # The address table is of no use to a worker, and reading it takes half of its start.
    requires_system_checks = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        Supervision().run()
