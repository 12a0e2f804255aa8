"""States and scopes of operations: the words that rows, kinds and pages share."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class OperationState(models.TextChoices):
    """How far an operation is. Queued and running operations are live; the others are over for good."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


LIVE_STATES = [OperationState.QUEUED, OperationState.RUNNING]


class Priority(models.IntegerChoices):
    """The class of an operation in the queue: work that a person waits for goes before work that nobody asked for."""

    ASKED = 0, _("Asked for")
    BACKGROUND = 1, _("In the background")


class OperationScope(models.TextChoices):
    """The owner of an operation: exactly one order, repository or storage target, or the portal as a whole."""

    ORDER = "order", _("Order")
    REPOSITORY = "repository", _("Repository")
    TARGET = "target", _("Storage target")
    PORTAL = "portal", _("Portal")


class ExchangeState(models.TextChoices):
    """How far an exchange of live files, or the making of a volume, may have got. The sidecar has the exact state.

    A volume that is DISCARDED is to be removed by its sidecar.
    """

    NONE = "", _("None")
    BEGUN = "begun", _("Begun")
    DONE = "done", _("Done")
    UNENDED = "unended", _("Not brought to its end")
    DISCARDED = "discarded", _("To be removed")
