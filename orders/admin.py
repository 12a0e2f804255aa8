"""The staff's pages of plans, orders and their members."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.errors import RightsExceeded
from accounts.models import User
from common.admin import FleetAdmin, ReadOnlyAdmin, ServiceDeletes
from orders.models import Order, OrderGroupPermission, OrderUserPermission, Plan, PlanReduction
from orders.rights import OrderRight, order_rights
from orders.services.orders import member_grant, member_withdraw, order_create, order_delete
from orders.services.planned import plan_check
from orders.services.plans import order_update, plan_save
from orders.services.suspension import order_suspend, order_suspend_now, order_unsuspend

DEFAULTED = (
    "backup_format",
    "byte_measure",
    "schedule_time_zone",
    "schedule_retention",
    "shortest_interval_minutes",
    "cooldown_minutes",
    "sources",
    "formats",
    "suspension_days",
    "trial_days",
)
"""Fields of a plan that a program may leave out of the form."""


class PlanForm(forms.ModelForm):  # type: ignore[type-arg]  # not a generic when it runs
    """A plan. A program may leave out what has a default."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in DEFAULTED:
            if name in self.fields:
                self.fields[name].required = False

    def clean(self) -> dict[str, Any]:
        """The fields; one that was sent empty has its default."""
        cleaned = super().clean() or self.cleaned_data
        for name in DEFAULTED:
            if cleaned.get(name, True) in (None, "") and self.add_prefix(name) in self.data:
                cleaned[name] = getattr(Plan(), name)
        return cleaned

    def _post_clean(self) -> None:
        """Check also what only other apps can read, such as the plan's schedule."""
        super()._post_clean()  # type: ignore[misc]  # Django's own hook, which its stubs do not have
        try:
            plan_check(self.instance)
        except forms.ValidationError as error:
            self.add_error(None, error)


@admin.register(Plan)
class PlanAdmin(FleetAdmin):
    """Plans that customers can buy. The database refuses to delete one that an order has."""

    form = PlanForm

    list_display = ["name", "has_backups", "backup_limit", "byte_limit", "schedule_cron"]
    search_fields = ["name"]
    ordering = ["name"]

    def save_model(self, request: HttpRequest, obj: Plan, form: forms.Form, change: bool) -> None:  # noqa: ARG002, FBT001  # Django's signature
        """Store the plan; what its orders were promised before is kept for the time of the grace."""
        actor: Any = request.user
        plan_save(plan=obj, actor=actor)


@admin.register(PlanReduction)
class PlanReductionAdmin(ReadOnlyAdmin):
    """Orders whose plan keeps less than it did, and the date from which it counts."""

    list_display = ["order", "backup_limit", "takes_effect_at", "ended_at", "requested_by"]
    list_select_related = ["order", "requested_by"]
    list_filter = ["takes_effect_at"]
    search_fields = ["order__name", "=order__id"]
    ordering = ["-created_at"]


@admin.register(Order)
class OrderAdmin(ServiceDeletes):
    """Orders of customers. An order stays with its customer: its data is sealed for that customer alone."""

    list_display = ["name", "customer", "plan", "suspended_at", "removal_at", "created_at"]
    list_select_related = ["customer", "plan"]
    list_filter = ["plan"]
    search_fields = ["name", "customer__name", "=id"]
    fields = ["customer", "plan", "name", "suspended_at", "removal_at", "terminates"]
    actions = ["suspend", "terminate", "lift"]
    autocomplete_fields = ["customer", "plan"]
    ordering = ["-created_at", "-id"]

    def get_readonly_fields(self, request: HttpRequest, obj: Order | None = None) -> list[str]:  # noqa: ARG002  # Django's signature
        """The customer is chosen once; the date of removal follows from the suspension."""
        return ["removal_at", "terminates", *(["customer"] if obj else [])]

    def save_model(self, request: HttpRequest, obj: Order, form: forms.Form, change: bool) -> None:  # noqa: FBT001  # Django's signature
        """Create the order, or change it; a suspension is recorded in the audit trail."""
        actor: Any = request.user
        if change:
            order_update(order=obj, plan=obj.plan, name=obj.name, actor=actor)
        else:
            obj.pk = order_create(customer=obj.customer, plan=obj.plan, name=obj.name).pk
        if "suspended_at" in form.changed_data:
            order_suspend(order=obj, since=obj.suspended_at, actor=actor)

    @admin.action(description=_("Suspend"), permissions=["change"])
    def suspend(self, request: HttpRequest, orders: QuerySet[Order]) -> None:
        """Suspend orders from now on."""
        self._suspend(request, orders, terminates=False)

    @admin.action(description=_("Delete at the end of the grace period"), permissions=["delete"])
    def terminate(self, request: HttpRequest, orders: QuerySet[Order]) -> None:
        """Suspend orders, and delete them with their backups at the date of removal."""
        self._suspend(request, orders, terminates=True)

    @admin.action(description=_("Lift the suspension"), permissions=["change"])
    def lift(self, request: HttpRequest, orders: QuerySet[Order]) -> None:
        """Lift the suspension of orders, and take a deletion back."""
        actor: Any = request.user
        for order in orders:
            order_unsuspend(user=actor, order=order)

    def _suspend(self, request: HttpRequest, orders: QuerySet[Order], *, terminates: bool) -> None:
        actor: Any = request.user
        for order in orders:
            suspended = order_suspend_now(user=actor, order=order, terminates=terminates)
            self.message_user(request, suspended_said(suspended))

    def delete_by_service(self, request: HttpRequest, obj: Order) -> None:
        """Delete the order with all that belongs to it, unless an operation is active."""
        actor: Any = request.user
        order_delete(order=obj, actor=actor)


def suspended_said(order: Order) -> str:
    """The date of removal of a suspended order, in a sentence."""
    day = date_format(order.removal_at, "DATETIME_FORMAT") if order.removal_at else ""
    return gettext("%(name)s: until %(day)s its backups can be downloaded.") % {"name": order.name, "day": day}


class MemberForm(forms.ModelForm):  # type: ignore[type-arg]  # not a generic when it runs
    """The form that gives a user a right on an order."""

    right = forms.ChoiceField(label=_("right"), choices=[(right.value, right.value) for right in OrderRight])
    granted_by: User
    """The user who fills the form in; set by the page."""

    class Meta:
        model = OrderUserPermission
        fields = ["content_object", "user"]
        labels = {"content_object": _("order")}

    def clean(self) -> dict[str, Any]:
        """The fields, where the right is one that its giver has on that order."""
        cleaned = super().clean() or self.cleaned_data
        order, right = cleaned.get("content_object"), cleaned.get("right")
        if order and right and OrderRight(right) not in order_rights(self.granted_by, order):
            raise forms.ValidationError(RightsExceeded().detail)
        return cleaned


@admin.register(OrderUserPermission)
class OrderUserPermissionAdmin(ServiceDeletes):
    """Members' rights: each is granted and withdrawn, never changed into another."""

    form = MemberForm
    list_display = ["content_object", "user", "permission"]
    list_select_related = ["content_object", "user", "permission__content_type"]
    list_filter = ["permission"]
    search_fields = ["user__username", "content_object__name", "=content_object__id"]
    autocomplete_fields = ["content_object", "user"]
    ordering = ["-id"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        """A right is withdrawn and another one granted."""
        return False

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002  # Django's signature
        """The form of this person."""
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.granted_by = request.user
        return form

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002  # Django's signature
        """A right that was granted is shown as the permission it is."""
        return ["content_object", "user", "permission" if obj else "right"]

    def save_model(self, request: HttpRequest, obj: Any, form: forms.Form, change: bool) -> None:  # noqa: ARG002, FBT001  # Django's signature
        """Grant the right."""
        actor: Any = request.user
        right = OrderRight(form.cleaned_data["right"])
        member_grant(order=obj.content_object, user=obj.user, right=right, actor=actor)
        rows = OrderUserPermission.objects.filter(content_object=obj.content_object, user=obj.user)
        granted = rows.select_related("permission").get(permission__codename=right.value)
        obj.pk, obj.permission = granted.pk, granted.permission

    def delete_by_service(self, request: HttpRequest, obj: Any) -> None:
        """Withdraw the right."""
        actor: Any = request.user
        right = OrderRight(obj.permission.codename)
        member_withdraw(order=obj.content_object, user=obj.user, right=right, actor=actor)


@admin.register(OrderGroupPermission)
class OrderGroupPermissionAdmin(ReadOnlyAdmin):
    """Rights of groups."""

    list_display = ["content_object", "group", "permission"]
    list_select_related = ["content_object", "group", "permission__content_type"]
    ordering = ["-id"]
