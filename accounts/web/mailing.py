"""Background sending of mails: a request hands a mail over, and its answer does not wait for the mail server."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from smtplib import SMTPException
from threading import BoundedSemaphore
from typing import Final

from django.core.mail import EmailMessage

from accounts.errors import MailNotSent

logger = logging.getLogger(__name__)

SENDERS: Final = 2
WAITING_MAX: Final = 200


def mail_hand_over(message: EmailMessage, *, about: str) -> None:
    """Send a finished mail in the background; a failure is logged. Raises MailNotSent when too many wait already."""
    pool, room = _senders(os.getpid())
    if not room.acquire(blocking=False):
        raise MailNotSent
    pool.submit(_send, message, about, room)


def _send(message: EmailMessage, about: str, room: BoundedSemaphore) -> None:
    try:
        message.send()
    except (SMTPException, OSError) as error:
        logger.warning("a mail (%s) could not be sent: %s", about, error)
    except Exception:
        logger.exception("a mail (%s) could not be sent", about)
    finally:
        room.release()


@cache
def _senders(process: int) -> tuple[ThreadPoolExecutor, BoundedSemaphore]:  # noqa: ARG001  # it is the cache's key
    """The sender threads of a process, which a fork does not copy, and the bound on mails that wait for them."""
    return ThreadPoolExecutor(SENDERS, thread_name_prefix="mail"), BoundedSemaphore(WAITING_MAX)
