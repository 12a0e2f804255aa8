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


class TokenNotFound(ApplicationError):
    """The caller has no valid token with that id."""

    code, status, title = "token_not_found", 404, _("No such token")
    message = _("There is no such token, or it was revoked already.")


class RightsExceeded(ApplicationError):
    """The caller would grant, withdraw or use a right that they do not have themselves."""

    code, status, title = "rights_exceeded", 403, _("Beyond your own rights")
    message = _(
        "This concerns rights that you do not have yourself. Nothing was changed. Ask a colleague who has them."
    )


class MailNotSent(ApplicationError):
    """Too many mails wait for a mail server that does not take them."""

    code, status, title = "mail_not_sent", 503, _("Mail not sent")
    message = _(
        "The mail could not be sent, because the mail server does not answer. Nothing was changed. "
        "Please try again in a few minutes; if it happens again, contact support."
    )
