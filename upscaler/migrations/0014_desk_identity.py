"""Each desk gets an identity, so that two that share a key don't take each other's links for their own."""

from django.db import migrations, models

import upscaler.models.identity


def make_identity(apps, schema_editor):
    # With the migration and not at the first use: two processes that start at once must agree.
    apps.get_model("upscaler", "DeskIdentity").objects.create(pk=1)


class Migration(migrations.Migration):
    dependencies = [("upscaler", "0013_outbox")]

    operations = [
        migrations.CreateModel(
            name="DeskIdentity",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("identity", models.CharField(default=upscaler.models.identity.new_identity, max_length=32)),
            ],
            options={"verbose_name_plural": "desk identity"},
        ),
        migrations.RunPython(make_identity, migrations.RunPython.noop),
    ]
