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

    suspended_at: the time from which nothing new may be made. The row is also the lock under which limits are counted.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="orders")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="orders")
    name = models.CharField(_("name"), max_length=100)
    suspended_at = models.DateTimeField(_("suspended at"), null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        indexes = [models.Index(fields=["-created_at", "-id"], name="order_newest_first")]
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
    def is_suspended(self) -> bool:
        """Whether it is now: a suspension may be set for a time to come."""
        return self.suspended_at is not None and self.suspended_at <= timezone.now()


class OrderUserPermission(UserObjectPermissionBase):
    """A right of one user on one order."""

    content_object = models.ForeignKey(Order, on_delete=models.CASCADE)


class OrderGroupPermission(GroupObjectPermissionBase):
    """A right of one group on one order."""

    content_object = models.ForeignKey(Order, on_delete=models.CASCADE)
