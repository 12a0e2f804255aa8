"""The Idempotency-Key header."""

from __future__ import annotations

import re
from uuid import UUID

from django.utils.encoding import escape_uri_path
from django.utils.translation import gettext as _
from rest_framework.request import Request

from common.errors import ValidationError
from common.idempotency import IdempotencyKey, idempotency_key_of

HEADER = "Idempotency-Key"
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]{1,255}")


def idempotency_key(request: Request, *, user_id: UUID) -> IdempotencyKey | None:
    """The key a POST came with, or None. Raises ValidationError unless it is 1 to 255 visible ASCII characters."""
    value = request.headers.get(HEADER)
    if value is None:
        return None
    if not _VISIBLE_ASCII.fullmatch(value):
        raise ValidationError(errors={HEADER: [_("A key is 1 to 255 visible ASCII characters.")]})
    return idempotency_key_of(user_id=user_id, path=escape_uri_path(request.path), key=value, body=request.body)
