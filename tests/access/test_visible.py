"""The check of one order and the list of visible orders agree for every persona."""

from __future__ import annotations

import pytest

from orders.rights import order_visible, orders_visible
from tests.access.world import PERSONAS, world_of
from tests.factories import OrderGroupPermissionFactory, UserFactory


def is_listed(user, order):
    return orders_visible(user).filter(id=order.id).exists()


@pytest.mark.parametrize("persona", [persona for persona in PERSONAS if not persona.anonymous], ids=str)
def test_order_is_visible_exactly_to_users_who_list_it(persona, db, tmp_path):
    world = world_of(persona, tmp_path)
    seen = persona.rights is not None
    assert (order_visible(world.user, world.order), is_listed(world.user, world.order)) == (seen, seen)
    world.user.is_active = False
    assert (order_visible(world.user, world.order), is_listed(world.user, world.order)) == (False, False)


def test_a_right_on_another_order_shows_that_one_alone(db, tmp_path):
    order = world_of(PERSONAS[1], tmp_path).order
    user = UserFactory()
    given = OrderGroupPermissionFactory(right="view_order")
    user.groups.add(given.group)
    assert order_visible(user, given.content_object)
    assert not order_visible(user, order)


def test_ones_own_order_is_known_without_a_question(db, tmp_path, django_assert_num_queries):
    (owner,) = [persona for persona in PERSONAS if persona.name == "owner"]
    world = world_of(owner, tmp_path)
    with django_assert_num_queries(0):
        assert order_visible(world.user, world.order)
