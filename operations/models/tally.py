"""Counts of operations whose rows were deleted."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from operations.kinds import kind_choices
from operations.states import OperationState


class OperationTally(models.Model):
    """The number of operations of one kind and end that were deleted with their orders: a counter must never fall."""

    kind = models.CharField(_("kind"), max_length=32, choices=kind_choices)
    state = models.CharField(_("state"), max_length=16, choices=OperationState.choices)
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name = _("tally of operations")
        verbose_name_plural = _("tallies of operations")
        constraints = [models.UniqueConstraint(name="operation_tally_once", fields=["kind", "state"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"
