"""Base classes of the admin: rows that are only read, and rows that a service deletes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import Field, Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django_q.models import Failure, OrmQ, Schedule, Success

from common.errors import ApplicationError
from common.models import IdempotencyRecord
from common.names import name_validate

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Any]
else:
    Base = admin.ModelAdmin

# Rows are deleted one by one, through the service that knows what belongs to them; the bulk action bypasses it.
admin.site.disable_action("delete_selected")

# Rows of the queue are pickles and dotted names: write access to them runs code. Staff see operations instead.
for _model in (Failure, OrmQ, Schedule, Success):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)


_LOOKUPS = frozenset({"exact", "in", "isempty", "isnull", "gte", "gt", "lte", "lt"})


class ListedLookups(Base):
    """Lists that are filtered by their listed filters only.

    Django lets an address filter by any column of the row, so `?secrets__startswith=` reads a hidden column letter by
    letter.
    """

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Whether the address may filter by this: a filter of the list, or the key of a row or of a listed relation."""
        filters = self.get_list_filter(request)
        named: set[Any] = {item[0] if isinstance(item, (list, tuple)) else item for item in filters}
        *path, last = lookup.split("__")
        name = "__".join(path) if last in _LOOKUPS else lookup
        key = self.opts.pk.name
        return (name in {"pk", key} or name.removesuffix("__id").removesuffix("__pk") in named) and (
            super().lookup_allowed(lookup, value, request)
        )


class NamesChecked(Base):
    """The admin validates names by the rule of `common.names`."""

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """As Django's, with the rule."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "name" and field is not None:
            field.validators = [*field.validators, name_validate]
        return field


class FleetAdmin(ListedLookups, NamesChecked):
    """The base of all admin pages: made for very long lists. The refusal of a service is shown as a message."""

    list_per_page = 50
    show_full_result_count = False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of one row; a change that its service refuses changes nothing."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ApplicationError as error:
            self.message_user(request, error.detail, messages.ERROR)
            return HttpResponseRedirect(request.path)


class ReadOnlyAdmin(FleetAdmin):
    """Rows that the product writes and staff only read."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        """Rows are never added by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        """Rows are never changed by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        """Rows are never deleted by hand."""
        return False


class ServiceDeletes(FleetAdmin):
    """Rows that a service deletes. A refusal is shown as a message, and nothing is changed."""

    def delete_by_service(self, request: HttpRequest, obj: Any) -> None:
        """Delete the row. May raise ApplicationError."""
        raise NotImplementedError

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Django's hook for a deletion that was confirmed."""
        self.delete_by_service(request, obj)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page that asks, and then deletes."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except ApplicationError as error:
            self.message_user(request, error.detail, messages.ERROR)
            return HttpResponseRedirect("../change/")

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:  # noqa: ARG002  # Django's signature
        """The confirmation page lists the row alone. The service decides about related rows and rights."""
        return [str(obj) for obj in objs], {}, set(), []


def each_by_service(
    page: Base, request: HttpRequest, rows: Iterable[Model], *, service: Callable[[Any], object], done: str
) -> None:
    """Call a service for each selected row of a list; show for each `done`, or the reason of the refusal."""
    for row in rows:
        try:
            service(row)
        except ApplicationError as error:
            page.message_user(request, f"{row}: {error.detail}", messages.ERROR)
        else:
            page.message_user(request, f"{row}: {done}", messages.SUCCESS)


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(ReadOnlyAdmin):
    """Rows of idempotency keys, read only."""

    list_display = ["created_at", "path", "key", "object_id"]
    search_fields = ["key"]
    ordering = ["-created_at"]
