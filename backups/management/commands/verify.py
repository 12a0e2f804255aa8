"""`manage.py verify`: verify the repositories on a target."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backups.management.upkeep import operation_await, reason_of, target_named
from backups.models import Depth
from backups.services.upkeep import repositories_on, repository_verify
from common.errors import ApplicationError
from operations.models import OperationState

DAMAGED, UNDONE = 1, 2


class Command(BaseCommand):
    help = (
        "Verify every repository on a target; `reconcile --deep` does so for archives. "
        "Exit status 1: damage was found. 2: something could not be verified."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--target", required=True, help="name or id of the storage target")
        parser.add_argument("--data", action="store_true", help="read all data too, and not the structure alone")

    def handle(self, *_args: Any, **options: Any) -> None:
        target = target_named(options["target"])
        depth = Depth.DATA if options["data"] else Depth.STRUCTURE
        undone = degraded = done = 0
        for row in repositories_on(target.id):
            try:
                operation = operation_await(repository_verify(repository=row, user=None, depth=depth))
            except ApplicationError as error:
                self.stderr.write(f"repository {row.id}: {error.detail}")
                undone += 1
                continue
            if operation.state != OperationState.SUCCEEDED:
                self.stderr.write(f"repository {row.id}: {reason_of(operation)}")
                undone += 1
                continue
            numbers = operation.result["done"]
            said = ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in numbers.items())
            self.stdout.write(f"repository {row.id}: {said or 'nothing is stored yet'}")
            for problem in operation.result.get("problems", []):
                self.stdout.write(f"repository {row.id}: {problem['object']}: {'; '.join(problem['problems'])}")
            degraded += numbers.get("degraded", 0)
            done += 1
        self.stdout.write(f"{done} repositories verified, {degraded} damaged backups, {undone} not verified")
        if undone:
            raise CommandError("Not everything could be verified. Run this again.", returncode=UNDONE)
        if degraded:
            raise CommandError("Damage was found; the backups are marked.", returncode=DAMAGED)
