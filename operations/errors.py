"""Failures of operations: those a request meets, and those that end the work of any kind."""

from django.utils.translation import gettext_lazy as _

from common.errors import ApplicationError, NotFound


class OperationNotFound(NotFound):
    """The operation does not exist, or the caller may not see it."""

    code, title = "operation_not_found", _("Operation not found")
    message = _("There is no such operation, or you may not see it.")


class StatusConflict(ApplicationError):
    """The backup is not in a state in which this can be done."""

    code, status, title = "status_conflict", 409, _("Not possible now")
    message = _("This cannot be done while the backup is “%(status)s”. Nothing was changed. Try again later.")


class OperationCancelled(ApplicationError):
    """The operation was cancelled."""

    code, status, title = "cancelled", 409, _("Cancelled")
    message = _("The operation was cancelled. Your server was not changed.")


class OperationTimedOut(ApplicationError):
    """The operation did not end within a day."""

    code, status, title = "timed_out", 504, _("Timed out")
    message = _("The operation took longer than a day and was ended. Please try again, or ask support.")


class WorkerLost(ApplicationError):
    """Every worker that tried the operation died or lost its connection."""

    code, status, title = "worker_lost", 500, _("Worker lost")
    message = _(
        "Our worker was lost while it ran this, several times. Your existing backups are safe. Please try again."
    )
