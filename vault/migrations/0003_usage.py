from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("vault", "0002_snapshots"),
    ]

    operations = [
        migrations.RenameField(model_name="repository", old_name="unique_bytes", new_name="distinct_bytes"),
    ]
