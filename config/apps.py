"""Connects what the layers below may not know of each other."""

from django.apps import AppConfig


class SavepointConfig(AppConfig):
    """The project itself, as an app: its commands and its wiring."""

    name = "config"
