"""An order whose API the documentation's examples call."""

from __future__ import annotations

from tests.api.conftest import house

__all__ = ["house"]
