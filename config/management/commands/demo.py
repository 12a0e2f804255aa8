"""`manage.py demo`: the program behind `make demo` and `make serve`."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.web_server import AddressUnavailable, listener_open
from demo.run import demo_run
from demo.serve import serve_run


class Command(BaseCommand):
    help = "Run the whole product with demo data. With SAVEPOINT_DEMO_EXIT=1: check that it works, and stop."
    # They load every page's code, which this process never shows; the web server runs them.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--reload",
            action="store_true",
            help="For developers: show every log, restart when a file of the checkout changes, and skip the check.",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            listener_open(settings.ENVIRONMENT.host, settings.ENVIRONMENT.port).close()
        except AddressUnavailable as error:
            raise CommandError(str(error)) from None
        if options["reload"]:
            serve_run()
        else:
            sys.exit(demo_run(stay=os.environ.get("SAVEPOINT_DEMO_EXIT") != "1"))
