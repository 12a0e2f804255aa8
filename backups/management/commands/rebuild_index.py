"""`manage.py rebuild_index`: bring back what a lost database knew of a target."""

from __future__ import annotations

from dataclasses import fields
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backups.management.upkeep import target_named
from backups.rebuild.run import RebuildRefused, index_rebuild
from common.errors import ApplicationError
from repository.storage import StorageError

SHOWN = 200


class Command(BaseCommand):
    help = (
        "Bring back tenants, orders, servers and backups from a target and SAVEPOINT_MASTER_KEYS. What exists stays as "
        "it is, so that the command may be repeated. Exit status 1: something could not be read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--target", required=True, help="name or id of the storage target")
        parser.add_argument(
            "--former", type=UUID, help="the id that the target had, if its storage has keys of several"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            done = index_rebuild(target_named(options["target"]), former=options["former"])
        except RebuildRefused as error:
            raise CommandError(str(error)) from None
        except (StorageError, ApplicationError) as error:
            said = error.detail if isinstance(error, ApplicationError) else error
            raise CommandError(f"{said} Run this again.") from None
        for name, why in done.unread[:SHOWN]:
            self.stderr.write(f"not brought back: {name}: {why}")
        numbers = ", ".join(f"{getattr(done.counts, item.name)} {item.name}" for item in fields(done.counts))
        self.stdout.write(f"{numbers}; {len(done.unread)} not brought back")
        if done.unread:
            raise CommandError("Not everything could be read. The reasons are above.")
