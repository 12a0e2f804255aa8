"""Failures of provisions."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

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


class PatternsForbidden(ApplicationError):
    """The plan lets customers leave out no files by patterns of their own."""

    code, status, title = "patterns_forbidden", 409, _("The plan has no patterns of your own")
    message = _("The plan of this order backs up all files: it takes no patterns of yours. Nothing was changed.")


class NoSidecar(ApplicationError):
    """The server has no sidecar that could read its files."""

    code, status, title = "no_sidecar", 409, _("No sidecar")
    message = _("This server has no backup agent yet, so its files cannot be reached. Please ask your host to add one.")


class NotASidecar(ApplicationError):
    """Only sidecars have certificates."""

    code, status, title = "not_a_sidecar", 409, _("Not a backup agent")
    message = _("Only a provision of the kind sidecar has a certificate. Nothing was changed. Choose that one.")


class NoSidecarAuthority(ApplicationError):
    """The portal cannot sign certificates yet."""

    code, status, title = "no_sidecar_authority", 409, _("No sidecar authority")
    message = _("This portal has no sidecar authority yet. Nothing was changed. Run: manage.py sidecar_ca init")


class SidecarAuthorityExists(ApplicationError):
    """There is a signing authority already; only a rotation replaces it."""

    code, status, title = "sidecar_authority_exists", 409, _("Sidecar authority exists")
    message = _("This portal has a sidecar authority. Nothing was changed. To replace it: manage.py sidecar_ca rotate")


class SidecarAuthorityNeeded(ApplicationError):
    """Sidecars still have certificates of an older authority; `sidecars` says how many."""

    code, status, title = "sidecar_authority_needed", 409, _("Sidecar authority needed")
    message = ngettext_lazy(
        "%(sidecars)s sidecar still has a certificate of an older authority. Nothing was changed. "
        "Renew it first, or revoke it: manage.py sidecar_ca renew --all",
        "%(sidecars)s sidecars still have certificates of an older authority. Nothing was changed. "
        "Renew them first, or revoke them: manage.py sidecar_ca renew --all",
        "sidecars",
    )
