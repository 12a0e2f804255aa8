"""Model fields of accounts."""

from __future__ import annotations

from typing import Any

from django.db import models


class LowercaseEmailField(models.EmailField):  # type: ignore[type-arg]  # not a generic when it runs
    """An e-mail address, stored and compared in lower case.

    Mail providers treat `Ann@` and `ann@` as one mailbox, so users need not remember which one they entered.
    """

    def get_prep_value(self, value: Any) -> Any:
        """The value that is stored, and that a lookup compares with."""
        prepared = super().get_prep_value(value)
        return prepared.lower() if isinstance(prepared, str) else prepared

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001  # Django's signature
        """The object has the stored value without being read again."""
        value = super().pre_save(model_instance, add)
        if isinstance(value, str):
            value = value.lower()
            setattr(model_instance, self.attname, value)
        return value
