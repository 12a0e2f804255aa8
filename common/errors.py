"""The one tree of expected failures: stable codes, HTTP statuses, and sentences a customer understands.

A class is the home of its code. Operations store `code` and `params`; the sentence is made when it is shown, in the
reader's language.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from common.names import name_isolated
from common.sizes import size_text
from common.system_errors import system_error_text

Params = dict[str, str | int]
CAUSE = ("path", "errno")
"""The params of any error that the operating system caused: the path, and the error's name as in errno(3)."""


class ApplicationError(Exception):
    """Base of every failure the product expects.

    code: stable name, part of the API. status: HTTP status when a request meets it. title: what happened, in
    a few words. message: what happened, what is safe, what to do next; filled with `params`. bare: the same where the
    params are not known. instead: the sentence to say where a param of this name is known.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str | Promise] = _("Internal error")
    message: ClassVar[str | Promise] = _(
        "Something went wrong on our side. Your server and your existing backups were not changed. "
        "Please try again; if it happens again, tell support the request id."
    )
    bare: ClassVar[str | Promise] = ""
    instead: ClassVar[Mapping[str, str | Promise]] = {}
    by_code: ClassVar[dict[str, type[ApplicationError]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "code" in cls.__dict__:
            known = ApplicationError.by_code.setdefault(cls.code, cls)
            if known is not cls:
                raise TypeError(f"{cls.__name__} and {known.__name__} share the code {cls.code!r}.")

    def __init__(self, **params: str | int) -> None:
        super().__init__(self.code)
        self.params: Params = params

    @property
    def detail(self) -> str:
        """The sentence for a person, in the active language."""
        return error_detail(code=self.code, params=self.params)


ApplicationError.by_code[ApplicationError.code] = ApplicationError


def error_detail(*, code: str, params: Params) -> str:
    """Return the sentence for a stored code in the active language; an unknown code reads as an internal error."""
    error = ApplicationError.by_code.get(code, ApplicationError)
    try:
        # On the lazy text itself: a sentence with a plural chooses it by its number.
        message = next((text for name, text in error.instead.items() if name in params), error.message)
        sentence = str(message % _readable(params))
    except (KeyError, ValueError):
        # Unknown parameters, or those of another version: the title is still true.
        sentence = str(error.bare or error.title)
    if not all(params.get(name) for name in CAUSE):
        return sentence
    reason = system_error_text(str(params["errno"]))
    return " ".join([sentence, _("At “%(path)s”: %(reason)s") % {"path": params["path"], "reason": reason}])


def _readable(params: Params) -> Params:
    """Parameters as a sentence wants them: numbers of bytes, which are named so, in units; names and paths isolated."""
    return {name: _in_words(name, value) for name, value in params.items()}


def _in_words(name: str, value: str | int) -> str | int:
    if isinstance(value, str):
        return name_isolated(value)
    return size_text(value) if name.endswith("_bytes") else value


def error_title(code: str) -> str:
    """A stored code in a few words in the active language; an unknown one reads as an internal error."""
    return str(ApplicationError.by_code.get(code, ApplicationError).title)


class NotAuthenticated(ApplicationError):
    """The request carries no valid identity."""

    code, status, title = "not_authenticated", 401, _("Not signed in")
    message = _("Sign in, or send a valid API token.")


class PermissionDenied(ApplicationError):
    """The caller may see the object but not do this with it."""

    code, status, title = "permission_denied", 403, _("Not allowed")
    message = _("You may see this, but your rights do not include this action. Ask the owner of the order.")


class ValidationError(ApplicationError):
    """The request is not of the right form; `errors` names each field."""

    code, status, title = "validation_error", 400, _("Invalid request")
    message = _("The request was not understood. Nothing was changed. See the list of fields.")

    def __init__(self, *, errors: dict[str, list[str]] | None = None) -> None:
        super().__init__()
        self.errors = errors or {}


class NotFound(ApplicationError):
    """There is nothing under this address, or the caller may not see it."""

    code, status, title = "not_found", 404, _("Not found")
    message = _("There is nothing here, or you may not see it.")


class MethodNotAllowed(ApplicationError):
    """The address exists, the method does not."""

    code, status, title = "method_not_allowed", 405, _("Method not allowed")
    message = _("This address does not take that method.")


class NotAcceptable(ApplicationError):
    """No representation fits the Accept header."""

    code, status, title = "not_acceptable", 406, _("Not acceptable")
    message = _("The answer cannot be given in the format that was asked for.")


class UnsupportedMediaType(ApplicationError):
    """The body is not JSON."""

    code, status, title = "unsupported_media_type", 415, _("Unsupported media type")
    message = _("Send the request as application/json.")


class Throttled(ApplicationError):
    """Too many requests; `wait` is the number of seconds to hold off."""

    code, status, title = "throttled", 429, _("Too many requests")
    message = _("Too many requests. Try again in %(wait)s seconds.")


class DatabaseUnavailable(ApplicationError):
    """The database does not answer, or takes nothing."""

    code, status, title = "database_unavailable", 503, _("Portal not available")
    message = _(
        "The portal's database does not answer at the moment. Your server and your backups are not affected. Your last "
        "action may not have been carried out: look whether it was, and try again in a minute."
    )


class CacheUnavailable(ApplicationError):
    """The cache that all processes share does not answer."""

    code, status, title = "cache_unavailable", 503, _("Not possible right now")
    message = _(
        "One of the portal's services does not answer at the moment, so attempts cannot be counted. "
        "Nothing was changed. Please try again in a minute."
    )


class PortalDiskUnwritable(ApplicationError):
    """The portal's own disk is full, or may only be read."""

    code, status, title = "portal_disk_unwritable", 503, _("Not possible right now")
    message = _(
        "The portal's disk takes nothing more. Your server and your backups are not affected. "
        "Please tell support, and try again later."
    )


class IdempotencyKeyReused(ApplicationError):
    """The same Idempotency-Key came with another body."""

    code, status, title = "idempotency_key_reused", 409, _("Idempotency key reused")
    message = _("This Idempotency-Key was used for a different request. Nothing was changed. Use a new key.")


class KeyUnavailable(ApplicationError):
    """A key that seals the data cannot be opened now. Never means that the data is damaged."""

    code, status, title = "key_unavailable", 409, _("Key unavailable")
    message = _("The key of this data is not available right now. Nothing was changed or lost. Please contact support.")
