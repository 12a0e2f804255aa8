"""The app's entry in Django's registry."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """Plans, orders, members and their rights."""

    name = "orders"
    default_auto_field = "django.db.models.BigAutoField"
