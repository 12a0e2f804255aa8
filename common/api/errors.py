"""Failures that only HTTP knows."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from common.errors import ApplicationError


class RequestTooLarge(ApplicationError):
    """The body is larger than any request of this API."""

    code, status, title = "request_too_large", 413, _("Request too large")
    message = _("The request is too large. Nothing was changed.")


class CsrfFailed(ApplicationError):
    """A request with a session's cookie does not prove that it comes from our own pages."""

    code, status, title = "csrf_failed", 403, _("Request not trusted")
    message = _(
        "The request did not come from a page of this portal. Nothing was changed. Reload the page and try again."
    )


class PreconditionFailed(ApplicationError):
    """An If-Match or If-Unmodified-Since does not hold."""

    code, status, title = "precondition_failed", 412, _("Precondition failed")
    message = _("What is here is not what the request expects.")


class RangeNotSatisfiable(ApplicationError):
    """No byte of the range exists; `size` is how many bytes there are."""

    code, status, title = "range_not_satisfiable", 416, _("Range not satisfiable")
    message = _("There are only %(size)s bytes here.")
