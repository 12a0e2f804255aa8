"""Addresses and messages of the admin."""

from __future__ import annotations

from django.urls import reverse


def page(model, name, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def messages_of(response):
    return [str(message) for message in response.context["messages"]]


def delete(client, row):
    return client.post(page(type(row), "delete", row.pk), {"post": "yes"}, follow=True)
