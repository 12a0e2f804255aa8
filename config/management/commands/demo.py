"""`manage.py demo`: what `make demo` runs."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.demo.run import demo_run
from config.web_server import AddressUnavailable


class Command(BaseCommand):
    help = "Run the whole product with demo data. With SAVEPOINT_DEMO_EXIT=1: check that it works, and stop."
    # They load every page's code, which this process never shows; the web server runs them.
    requires_system_checks = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            sys.exit(demo_run(stay=os.environ.get("SAVEPOINT_DEMO_EXIT") != "1"))
        except AddressUnavailable as error:
            raise CommandError(str(error)) from None
