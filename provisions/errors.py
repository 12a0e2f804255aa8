"""Failures of provisions."""

from django.utils.translation import gettext_lazy as _

from common.errors import ApplicationError, NotFound


class ProvisionNotFound(NotFound):
    """The provision does not exist, or is not of that order."""

    code, title = "provision_not_found", _("Server not found")
    message = _("There is no such server in this order.")


class ProvisionHasBackups(ApplicationError):
    """A provision is kept as long as backups of it exist."""

    code, status, title = "provision_has_backups", 409, _("Backups exist")
    message = _("This server still has backups. Delete them first. Nothing was changed.")


class NotAPrimaryDeployment(ApplicationError):
    """Only the primary deployment of an order has files to back up."""

    code, status, title = "not_a_primary_deployment", 409, _("Not a primary deployment")
    message = _("Only the main game server of an order can be backed up. Nothing was changed. Choose that server.")


class NoSidecar(ApplicationError):
    """Nothing stands beside the server that could read its files."""

    code, status, title = "no_sidecar", 409, _("No sidecar")
    message = _("This server has no backup agent yet, so its files cannot be reached. Please ask your host to add one.")
