"""`manage.py serve`: the web server, at SAVEPOINT_HOST and SAVEPOINT_PORT."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.web_server import AddressUnavailable, listener_open, web_serve


class Command(BaseCommand):
    help = "Answer requests at SAVEPOINT_HOST and SAVEPOINT_PORT until SIGTERM."

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            listener = listener_open(settings.ENVIRONMENT.host, settings.ENVIRONMENT.port)
        except AddressUnavailable as error:
            raise CommandError(str(error)) from None
        web_serve(listener)
