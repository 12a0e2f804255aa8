"""One name instead of two halves; e-mail addresses in lower case, and once; language and theme are known ones."""

from django.conf import settings
from django.db import migrations, models
from django.db.models import Value
from django.db.models.functions import Concat, Lower, Substr, Trim

import accounts.models.fields
import accounts.preferences

LANGUAGES = [
    ("en", "English"),
    ("de", "Deutsch"),
    ("fr", "Français"),
    ("es", "Español"),
    ("pt-br", "Português (Brasil)"),
    ("pl", "Polski"),
    ("ja", "日本語"),
    ("zh-hans", "简体中文"),
    ("ar", "العربية"),
]
KNOWN = ["", *(code for code, _name in LANGUAGES)]


def carry_over(apps, schema_editor):
    """Convert existing rows to the form that the new columns and constraints require."""
    users = apps.get_model(settings.AUTH_USER_MODEL).objects.using(schema_editor.connection.alias)
    whole = Trim(Concat("first_name", Value(" "), "last_name"))
    users.update(name=Substr(whole, 1, 150), email=Lower("email"))
    users.exclude(language__in=KNOWN).update(language="")


def split_again(apps, schema_editor):
    """Going back: the whole name is the first one."""
    users = apps.get_model(settings.AUTH_USER_MODEL).objects.using(schema_editor.connection.alias)
    users.update(first_name=models.F("name"))


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="name",
            field=models.CharField(blank=True, max_length=150, verbose_name="name"),
        ),
        migrations.RunPython(carry_over, split_again),
        migrations.RemoveField(model_name="user", name="first_name"),
        migrations.RemoveField(model_name="user", name="last_name"),
        migrations.AddField(
            model_name="user",
            name="theme",
            field=models.CharField(
                choices=[("auto", "As the device is set"), ("light", "Light"), ("dark", "Dark")],
                default="auto",
                max_length=8,
                verbose_name="colours",
            ),
        ),
        migrations.AlterField(
            model_name="user",
            name="email",
            field=accounts.models.fields.LowercaseEmailField(blank=True, max_length=254, verbose_name="e-mail address"),
        ),
        migrations.AlterField(
            model_name="user",
            name="language",
            field=models.CharField(
                blank=True,
                choices=LANGUAGES,
                help_text="Empty: the language of the browser.",
                max_length=16,
                verbose_name="language",
            ),
        ),
        migrations.AlterField(
            model_name="user",
            name="time_zone",
            field=models.CharField(
                blank=True,
                help_text="Empty: the time zone of the browser.",
                max_length=64,
                validators=[accounts.preferences.time_zone_validate],
                verbose_name="time zone",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(
                Lower("email"),
                condition=models.Q(("email", ""), _negated=True),
                name="user_email_once",
                violation_error_message="Another user has this e-mail address.",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(
                Lower("username"),
                name="user_username_once",
                violation_error_message="Another user has this user name.",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("language__in", KNOWN)),
                name="user_language_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("theme__in", ["auto", "light", "dark"])), name="user_theme_known"
            ),
        ),
    ]
