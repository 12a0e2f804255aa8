"""Failures of schedules and triggers."""

from django.utils.translation import gettext_lazy as _

from common.errors import ApplicationError, NotFound


class ScheduleNotFound(NotFound):
    """The schedule does not exist, or the caller may not see it."""

    code, title = "schedule_not_found", _("Schedule not found")
    message = _("There is no such schedule, or you may not see it.")


class SchedulesNotOffered(ApplicationError):
    """The plan lets customers set up no backups that begin by themselves."""

    code, status, title = "schedules_not_offered", 409, _("Not in this plan")
    message = _(
        "The plan of this order has no backups that begin by rules of yours. Nothing was changed. Ask your host for "
        "another plan."
    )


class ScheduleOfPlan(ApplicationError):
    """The schedule belongs to the plan, and is no customer's to change."""

    code, status, title = "schedule_of_plan", 409, _("Schedule of the plan")
    message = _("This schedule belongs to the plan of the order, and cannot be changed here. Nothing was changed.")


class ScheduleLimitReached(ApplicationError):
    """The order has as many schedules as an order can have."""

    code, status, title = "schedule_limit_reached", 409, _("Too many schedules")
    message = _("This order has %(limit)s schedules, and no more can be made. Nothing was changed. Delete one first.")


class ScheduleBroken(ApplicationError):
    """The stored rule of the schedule cannot be read, so that it never runs."""

    code, status, title = "schedule_broken", 409, _("Schedule broken")
    message = _("The rule of this schedule cannot be read, so it does not run. Set its times anew.")


class RunWaiting(ApplicationError):
    """A run was skipped because an earlier one of the same schedule still waited for its start."""

    code, status, title = "run_waiting", 409, _("Earlier run waits")
    message = _("An earlier run of this schedule was still waiting for other work, and stands for this one as well.")


class GameNotWatched(ApplicationError):
    """The sidecar does not look whether the game runs."""

    code, status, title = "game_not_watched", 409, _("Nobody watches the game")
    message = _(
        "Beside this server nobody looks whether the game runs, so its starts and crashes are not noticed. Ask your "
        "host to set the running_command of the sidecar."
    )
