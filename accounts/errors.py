"""Failures of accounts."""

from django.utils.translation import gettext_lazy as _

from common.errors import ApplicationError


class UserNotFound(ApplicationError):
    """No user has that name."""

    code, status, title = "user_not_found", 404, _("No such user")
    message = _("There is no user named %(username)s.")


class ScopeUnknown(ApplicationError):
    """A token scope that does not exist was asked for."""

    code, status, title = "scope_unknown", 400, _("Unknown scope")
    message = _("%(scope)s is no scope of an API token. Known scopes: %(known)s.")
