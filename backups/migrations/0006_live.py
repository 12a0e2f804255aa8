"""Backups taken beside a running game are “live”: they are less than what a power cut leaves, which “crash” promised."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def live_name(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001  # Django's signature
    """Rename what is stored."""
    apps.get_model("backups", "Backup").objects.filter(consistency="crash").update(consistency="live")


def crash_name(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001  # likewise
    """Give back the earlier name."""
    apps.get_model("backups", "Backup").objects.filter(consistency="live").update(consistency="crash")


def known(*names: str) -> models.CheckConstraint:
    """The constraint with these names."""
    condition = models.Q(("consistency__isnull", True), ("consistency__in", list(names)), _connector="OR")
    return models.CheckConstraint(condition=condition, name="backup_consistency_known")


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0005_collapsed"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="backup", name="backup_consistency_known"),
        migrations.RunPython(live_name, crash_name),
        migrations.AddConstraint(model_name="backup", constraint=known("quiesced", "stopped", "live")),
    ]
