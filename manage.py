#!/usr/bin/env python
"""Django's command line."""

import os
import sys


def main() -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:2] == ["demo"]:
        # The demo asks for nothing: it makes the secrets of its own home before the settings are read.
        from demo.home import embedded_prepare

        embedded_prepare()
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        # The driver's first line names host and reason, never the password.
        reason = str(error).strip().partition("\n")[0]
        sys.exit(f"savepoint: the database does not answer: {reason}")


if __name__ == "__main__":
    main()
