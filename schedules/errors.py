"""Failures of schedules and triggers."""

from django.utils.translation import gettext_lazy as _

from common.errors import ApplicationError


class SchedulesNotOffered(ApplicationError):
    """The plan lets customers set up no backups that begin by themselves."""

    code, status, title = "schedules_not_offered", 409, _("Not in this plan")
    message = _(
        "The plan of this order has no backups that begin by rules of yours. Nothing was changed. Ask your host for "
        "another plan."
    )


class GameNotWatched(ApplicationError):
    """The sidecar does not look whether the game runs."""

    code, status, title = "game_not_watched", 409, _("Nobody watches the game")
    message = _(
        "Beside this server nobody looks whether the game runs, so its starts and crashes are not noticed. Ask your "
        "host to set the running_command of the sidecar."
    )
