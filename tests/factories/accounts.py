"""Users, customers with a key that opens, tokens, audit events."""

import hashlib

import factory

from accounts.models import ApiToken, AuditEvent, Customer, User
from accounts.services.customers import customer_create


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User

    username = factory.Sequence(lambda number: f"user-{number}")

    @classmethod
    def _create(cls, model_class, *args, **values):
        return model_class.objects.create_user(*args, **values)


class CustomerFactory(factory.django.DjangoModelFactory):
    """Made by the service, since only it wraps a tenant's key."""

    class Meta:
        model = Customer

    name = factory.Sequence(lambda number: f"Customer {number}")
    owner = factory.SubFactory(UserFactory)

    @classmethod
    def _create(cls, model_class, *args, **values):
        return customer_create(**values)


class ApiTokenFactory(factory.django.DjangoModelFactory):
    """A token whose secret is `secret`."""

    class Meta:
        model = ApiToken

    class Params:
        secret = factory.Sequence(lambda number: f"svp_secret-{number}")

    user = factory.SubFactory(UserFactory)
    name = "bot"
    digest = factory.LazyAttribute(lambda token: hashlib.sha256(token.secret.encode()).hexdigest())
    hint = factory.LazyAttribute(lambda token: token.secret[-4:])


class AuditEventFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = AuditEvent

    actor = factory.SubFactory(UserFactory)
    action = "backup.create"
