"""Failures of notices. The codes of those that a delivery ended with are stored in its row."""

from django.utils.translation import gettext_lazy as _

from common.errors import ApplicationError, NotFound


class EndpointNotFound(NotFound):
    """The order has no such address."""

    code, title = "webhook_not_found", _("Address not found")
    message = _("There is no such address for notices, or it was removed.")


class DeliveryNotFound(NotFound):
    """The address has no such message."""

    code, title = "delivery_not_found", _("Message not found")
    message = _("There is no such message. Messages are listed for 30 days.")


class EndpointsLimit(ApplicationError):
    """The order has as many addresses as one may have."""

    code, status, title = "endpoints_limit", 409, _("Too many addresses")
    message = _("An order has at most %(limit)s addresses for notices. Nothing was changed. Remove one first.")


class DeliveryError(ApplicationError):
    """A message was not delivered. permanent: another attempt would fail as well."""

    code, status, title = "delivery_failed", 502, _("Not delivered")
    message = _("The receiver could not be reached.")
    permanent = False


class AddressRefused(DeliveryError):
    """The address leads, or now leads, where the portal sends nothing."""

    code, title = "address_refused", _("Address refused")
    message = _("The address leads into a private network, to which nothing is sent.")


class AddressUnknown(DeliveryError):
    """The name has no address."""

    code, title = "address_unknown", _("Name not found")
    message = _("The name of the receiver has no network address.")


class ReceiverSlow(DeliveryError):
    """No whole answer came in time."""

    code, title = "receiver_slow", _("No answer in time")
    message = _("The receiver did not answer within %(seconds)s seconds.")
    bare = _("The receiver did not answer in time.")


class ReceiverRefused(DeliveryError):
    """The answer was no success."""

    code, title = "receiver_refused", _("Refused by the receiver")
    message = _("The receiver answered with status %(http_status)s.")
    bare = _("The receiver answered with another status than 2xx.")


class ReceiverGone(DeliveryError):
    """The receiver says that it is gone for good."""

    code, title = "receiver_gone", _("Receiver gone")
    message = _("The receiver says that it no longer exists. Nothing more is sent to it until it is turned on again.")
    permanent = True


class RecipientRefused(DeliveryError):
    """The mail server does not take mails for this address."""

    code, title = "recipient_refused", _("Recipient refused")
    message = _("The mail server does not take mails for this address.")
    permanent = True


class Superseded(DeliveryError):
    """A newer signal took the place of this one."""

    code, title = "superseded", _("Replaced by a newer one")
    message = _("A newer signal was sent instead.")
    permanent = True


class GivenUp(DeliveryError):
    """A day of attempts is over."""

    code, title = "given_up", _("Given up")
    message = _("The message could not be delivered for a day and is not sent any more.")
    permanent = True


class DeliveryPending(ApplicationError):
    """The message still waits, or is being sent."""

    code, status, title = "delivery_pending", 409, _("Message on its way")
    message = _("This message is still on its way. Nothing was changed.")
