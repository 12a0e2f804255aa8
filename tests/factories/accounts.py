"""Users, customers with a valid key, tokens, audit events."""

import hashlib

import factory
from allauth.mfa.models import Authenticator

from accounts.models import ApiToken, AuditEvent, Customer, User
from accounts.services.customers import customer_create
from accounts.services.second_factor import secret_wrap

PASSWORD = "grass-roof-lantern"
"""The password of every user."""


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User

    username = factory.Sequence(lambda number: f"user-{number}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.com")
    password = PASSWORD

    @classmethod
    def _create(cls, model_class, *args, **values):
        return model_class.objects.create_user(*args, **values)


class CustomerFactory(factory.django.DjangoModelFactory):
    """A customer, created by the service, as only that wraps a tenant's key."""

    class Meta:
        model = Customer

    name = factory.Sequence(lambda number: f"Customer {number}")
    owner = factory.SubFactory(UserFactory)

    @classmethod
    def _create(cls, model_class, *args, **values):
        return customer_create(**values)


class ApiTokenFactory(factory.django.DjangoModelFactory):
    """A token with the secret `secret`."""

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


class AuthenticatorFactory(factory.django.DjangoModelFactory):
    """An authenticator app with the key `secret`."""

    class Meta:
        model = Authenticator

    class Params:
        secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

    user = factory.SubFactory(UserFactory)
    type = Authenticator.Type.TOTP
    data = factory.LazyAttribute(lambda row: {"secret": secret_wrap(row.secret)})
