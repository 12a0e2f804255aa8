"""The app's entry in Django's registry."""

from django.apps import AppConfig


class SchedulesConfig(AppConfig):
    """Schedules, their runs, retention."""

    name = "schedules"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Hear of ended operations, and add protection to the pages of orders."""
        # Models exist only now.
        from backups.web.panels import orders_panels_register, panels_register, row_marks_register, tabs_register
        from notices.selectors import schedule_names_register
        from operations.services.endings import endings_register
        from orders.services.planned import plan_follow
        from schedules.selectors import schedule_names
        from schedules.services import rotation
        from schedules.services.of_plan import FOLLOWER
        from schedules.services.runs import run_ended
        from schedules.web import retention
        from schedules.web.cards import TABS
        from schedules.web.protection import ORDERS_PANELS, PANELS
        from schedules.web.usage import TABS as USAGE_TABS

        schedule_names_register(schedule_names)
        tabs_register([*TABS, *USAGE_TABS])
        panels_register([*PANELS, *retention.PANELS])
        row_marks_register(retention.marks_of)
        orders_panels_register(ORDERS_PANELS)
        plan_follow(FOLLOWER)
        endings_register(run_ended)
        endings_register(rotation.backup_ended)
