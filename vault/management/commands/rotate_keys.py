"""`manage.py rotate_keys`: wrap everything under the newest version of SAVEPOINT_MASTER_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from vault.services.key_rotation import keys_rotate


class Command(BaseCommand):
    help = "Wrap tenant keys, secret columns and key copies under the newest version of SAVEPOINT_MASTER_KEYS."

    def handle(self, *_args: Any, **_options: Any) -> None:
        done = keys_rotate()
        summary = f"{done.tenant_keys} tenant keys, {done.columns} columns, {done.copies} copies; {done.failed} failed"
        if done.failed:
            raise CommandError(f"{summary}. Keep the older versions and run this again.")
        self.stdout.write(f"{summary}. Versions older than the newest may be removed.")
