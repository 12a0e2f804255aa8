"""`manage.py gc`: prune the repositories on a target, and sweep what was deleted there."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backups.management.upkeep import operation_await, reason_of, target_named
from backups.services.upkeep import repositories_on, repository_prune
from common.errors import ApplicationError
from common.sizes import size_text
from operations.models import Operation, OperationState
from repository.storage import StorageError
from vault.services.sweep import target_sweep


class Command(BaseCommand):
    help = (
        "Prune every repository on a target, and delete objects there that are marked for deletion. Exit status 1: "
        "something could not be done, and nothing was deleted there."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--target", required=True, help="name or id of the storage target")
        parser.add_argument("--dry-run", action="store_true", help="say what would be deleted, and delete nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        target, dry_run = target_named(options["target"]), options["dry_run"]
        failed = done = 0
        for row in repositories_on(target.id):
            try:
                operation = operation_await(repository_prune(repository=row, user=None, dry_run=dry_run))
            except ApplicationError as error:
                self.stderr.write(f"repository {row.id}: {error.detail}")
                failed += 1
                continue
            self._said(row.id, operation, dry_run=dry_run)
            failed += operation.state != OperationState.SUCCEEDED
            done += 1
        swept = 0
        if not dry_run:
            try:
                swept = target_sweep(target.id)
            except (StorageError, ApplicationError) as error:
                self.stderr.write(f"sweep of {target.name}: {error}")
                failed += 1
        self.stdout.write(f"{done} repositories, {swept} deleted objects swept, {failed} failed")
        if failed:
            raise CommandError("Not everything could be done. The reasons are above.")

    def _said(self, repository: Any, operation: Operation, *, dry_run: bool) -> None:
        if operation.state != OperationState.SUCCEEDED:
            self.stderr.write(f"repository {repository}: {reason_of(operation)}")
        plan, done = operation.result.get("plan"), operation.result.get("done")
        if plan is not None:
            self.stdout.write(
                f"repository {repository}: planned: {plan['deleted']} packs to delete now "
                f"({size_text(plan['freed_now_bytes'])}), {plan['condemned']} to delete after the grace "
                f"({size_text(plan['freed_later_bytes'])}), {plan['repacked']} to copy out of, {plan['kept']} kept"
            )
        elif operation.state == OperationState.SUCCEEDED:
            self.stdout.write(f"repository {repository}: nothing is stored yet")
        for why in operation.result.get("waiting", []):
            self.stdout.write(f"repository {repository}: waits: {why}")
        if done is not None and not dry_run:
            self.stdout.write(
                f"repository {repository}: done: {done['deleted']} packs deleted ({size_text(done['freed_bytes'])}), "
                f"{done['condemned']} condemned, {size_text(done['copied_bytes'])} copied"
            )
        for note in operation.result.get("notes", []):
            self.stdout.write(f"repository {repository}: {note}")
