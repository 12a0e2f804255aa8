"""Failures of orders."""

from django.utils.translation import gettext_lazy as _

from common.errors import ApplicationError, NotFound


class OrderNotFound(NotFound):
    """The order does not exist, or the caller may not see it."""

    code, title = "order_not_found", _("Order not found")
    message = _("There is no such order, or you may not see it.")


class OrderSuspended(ApplicationError):
    """The order is suspended: existing backups can be read, nothing new is made."""

    code, status, title = "order_suspended", 409, _("Order suspended")
    message = _("This order is suspended. Your existing backups are kept and can be downloaded. Nothing was changed.")


class PlanHasNoBackups(ApplicationError):
    """The plan of the order has no backups."""

    code, status, title = "plan_has_no_backups", 409, _("No backups in this plan")
    message = _("The plan of this order has no backups. Nothing was changed. A larger plan includes them.")


class BackupInProgress(ApplicationError):
    """The order cannot be reprovisioned or deleted while an operation is active."""

    code, status, title = "backup_in_progress", 409, _("Backup in progress")
    message = _(
        "An operation is running on this order, so it cannot be reprovisioned or deleted now. Nothing was changed. "
        "Try again when it has ended."
    )
