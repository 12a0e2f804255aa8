"""Prints a new API token, once."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.scopes import Scope
from accounts.selectors import user_by_name
from accounts.services.tokens import token_create
from common.errors import ApplicationError
from common.names import name_allowed

NAME_LENGTH_MAX = 100
DAYS_MAX = 36_500


class Command(BaseCommand):
    help = "Make an API token for a user and print it. It is stored nowhere and cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="the user's name")
        parser.add_argument(
            "--scopes", nargs="+", default=[], help=f"all that it may do, of: {', '.join(Scope)} (default: everything)"
        )
        parser.add_argument("--expires", metavar="DAYS", help="when it ends (default: never)")
        parser.add_argument("--name", default="command line", help="what it is for")

    def handle(self, **options: Any) -> None:
        if not 0 < len(options["name"]) <= NAME_LENGTH_MAX:
            raise CommandError(f"--name must have 1 to {NAME_LENGTH_MAX} characters.")
        if not name_allowed(options["name"]):
            raise CommandError("--name has characters that nobody sees, or that turn text around.")
        scopes = {scope for word in options["scopes"] for scope in word.split(",") if scope}
        try:
            _, secret = token_create(
                user=user_by_name(options["user"]),
                name=options["name"],
                scopes=scopes,
                expires_at=_expiry(options["expires"]),
            )
        except ApplicationError as error:
            raise CommandError(error.detail) from None
        self.stdout.write(secret)


def _expiry(days: str | None) -> datetime | None:
    if days is None:
        return None
    if not days.isdecimal() or not 0 < int(days) <= DAYS_MAX:
        raise CommandError(f"--expires must be a number of days from 1 to {DAYS_MAX}.")
    return timezone.now() + timedelta(days=int(days))
