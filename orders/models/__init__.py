"""Plans, orders, and the rights of members on them."""

from orders.models.order import Order, OrderGroupPermission, OrderUserPermission
from orders.models.plan import BackupFormat, BackupSource, ByteMeasure, Plan

__all__ = [
    "BackupFormat",
    "BackupSource",
    "ByteMeasure",
    "Order",
    "OrderGroupPermission",
    "OrderUserPermission",
    "Plan",
]
