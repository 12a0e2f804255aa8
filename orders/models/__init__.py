"""Plans, orders, and the rights of members on them."""

from orders.models.order import Order, OrderGroupPermission, OrderUserPermission
from orders.models.plan import Plan

__all__ = ["Order", "OrderGroupPermission", "OrderUserPermission", "Plan"]
