"""Connections between layers that may not import each other."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class SavepointConfig(AppConfig):
    """The project itself, as an app: its commands and its wiring."""

    name = "config"

    def ready(self) -> None:
        """Put the chores into their table."""
        # Models exist only now.
        from config.chores import CHORES
        from operations.services.chores import chores_register

        chores_register(CHORES)


class StaffConfig(AdminConfig):
    """Django's admin, with the portal's own admin site."""

    default_site = "accounts.admin_site.StaffSite"
