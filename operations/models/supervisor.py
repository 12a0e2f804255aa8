"""Supervisors of the workers."""

from __future__ import annotations

from django.db import models


class Supervisor(models.Model):
    """One running `manage.py worker`. Pages use its row to see that workers are available.

    workers_alive: the number of its `workers` processes that were alive at its last check.
    """

    id = models.UUIDField(primary_key=True)
    host = models.CharField(max_length=200)
    workers = models.PositiveIntegerField()
    started_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(auto_now=True)
    workers_alive = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.host} {self.id}"
