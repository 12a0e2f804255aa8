"""Customers, users, API tokens, audit events."""

from accounts.models.audit import AuditEvent
from accounts.models.customer import Customer
from accounts.models.token import ApiToken
from accounts.models.user import Theme, User

__all__ = ["ApiToken", "AuditEvent", "Customer", "Theme", "User"]
