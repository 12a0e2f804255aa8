"""The app's entry in Django's registry."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Customers (the tenants), users, API tokens, the audit trail."""

    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the signal receivers, which need every model."""
        from accounts.receivers import receivers_connect

        receivers_connect()
