"""Plans, orders, rights."""

from datetime import UTC, datetime

import factory
from django.contrib.auth.models import Group, Permission

from orders.models import BackupFormat, Order, OrderGroupPermission, OrderUserPermission, Plan, PlanReduction
from tests.factories.accounts import CustomerFactory, UserFactory


class PlanFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Plan

    name = factory.Sequence(lambda number: f"Plan {number}")
    backup_format = BackupFormat.ARCHIVE


class OrderFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Order

    customer = factory.SubFactory(CustomerFactory)
    plan = factory.SubFactory(PlanFactory)
    name = factory.Sequence(lambda number: f"Server {number}")


class PlanReductionFactory(factory.django.DjangoModelFactory):
    """A pending one."""

    class Meta:
        model = PlanReduction

    order = factory.SubFactory(OrderFactory)
    backup_limit = 20
    takes_effect_at = datetime(2030, 1, 1, tzinfo=UTC)


def _permission(row):
    return Permission.objects.get(codename=row.right, content_type__app_label="orders")


class OrderUserPermissionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = OrderUserPermission

    class Params:
        right = "view_order"

    content_object = factory.SubFactory(OrderFactory)
    user = factory.SubFactory(UserFactory)
    permission = factory.LazyAttribute(_permission)


class GroupFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Group

    name = factory.Sequence(lambda number: f"Group {number}")


class OrderGroupPermissionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = OrderGroupPermission

    class Params:
        right = "view_order"

    content_object = factory.SubFactory(OrderFactory)
    group = factory.SubFactory(GroupFactory)
    permission = factory.LazyAttribute(_permission)
