"""An order of a customer, and the direct-foreign-key tables of its members' rights."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from accounts.models import Customer
from orders.models.plan import Plan


class Order(models.Model):
    """An order: a customer's game server with its sidecar, databases and volumes.

    suspended_at: the time from which nothing new may be made. removal_at: when the backups of a suspended order are
    removed; until then they can be downloaded. warned_at, warned_days: the newest warning before that, and how many
    days before it is due. terminates: the order itself is deleted with its backups. trial_days: the customer's own
    choice in place of the plan's days, never fewer (0: no test restores); null for the plan's. next_trial_at: when its
    newest good backup is restored for a test; null before that is known. The row is also the lock under which limits
    are counted.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="orders")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="orders")
    name = models.CharField(_("name"), max_length=100)
    suspended_at = models.DateTimeField(_("suspended at"), null=True, blank=True)
    removal_at = models.DateTimeField(_("backups removed at"), null=True, blank=True)
    warned_at = models.DateTimeField(null=True)
    warned_days = models.PositiveSmallIntegerField(null=True)
    terminates = models.BooleanField(_("deleted with its backups"), default=False)
    trial_days = models.PositiveIntegerField(_("days between test restores"), null=True, blank=True)
    next_trial_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="order_newest_first"),
            models.Index(fields=["next_trial_at"], name="order_next_trial"),
            models.Index(fields=["removal_at"], name="order_removal", condition=models.Q(suspended_at__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(name="order_trial_days_sane", condition=models.Q(trial_days__lte=366)),
            models.CheckConstraint(
                name="order_removal_only_while_suspended",
                condition=models.Q(suspended_at__isnull=False)
                | models.Q(removal_at__isnull=True, warned_at__isnull=True, warned_days__isnull=True, terminates=False),
            ),
        ]
        default_permissions = ("add", "change", "delete", "view")
        permissions = [
            ("create_backup", _("May create backups")),
            ("download_backup", _("May download backups")),
            ("restore_backup", _("May restore backups")),
            ("delete_backup", _("May delete backups")),
            ("manage_schedules", _("May manage schedules")),
            ("manage_members", _("May manage members")),
            ("view_all_orders", _("May see every order, and create, restore and delete there")),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def days_of_trials(self) -> int:
        """The days between two test restores, 0 for none: the customer's choice, within the plan."""
        if self.trial_days is None or not self.plan.trial_days:
            return self.plan.trial_days
        return self.trial_days and max(self.trial_days, self.plan.trial_days)

    @property
    def is_suspended(self) -> bool:
        """Whether it is now: a suspension may be set for a time to come."""
        return self.suspended_at is not None and self.suspended_at <= timezone.now()


class OrderUserPermission(UserObjectPermissionBase):
    """A right of one user on one order."""

    content_object = models.ForeignKey(Order, on_delete=models.CASCADE)


class OrderGroupPermission(GroupObjectPermissionBase):
    """A right of one group on one order."""

    content_object = models.ForeignKey(Order, on_delete=models.CASCADE)
