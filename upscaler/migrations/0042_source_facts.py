from typing import Any

from django.db import migrations, models


def forget_speeds(apps: Any, schema_editor: Any) -> None:
    """They are of other steps, and do not say which processor they were measured on."""
    apps.get_model("upscaler", "NetworkSpeed").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("upscaler", "0041_watched_folders")]

    operations = [
        migrations.AddField(
            "upscale",
            "source_facts",
            models.JSONField(
                blank=True, editable=False, help_text="What was found in its source, for the time told.", null=True
            ),
        ),
        migrations.AddField(
            "draftitem",
            "source_facts",
            models.JSONField(
                blank=True, editable=False, help_text="What was found in the picture, for the time told.", null=True
            ),
        ),
        migrations.RunPython(forget_speeds, migrations.RunPython.noop),
        migrations.RemoveConstraint("networkspeed", "network_speed_once"),
        migrations.AddField(
            "networkspeed",
            "processor",
            models.CharField(
                blank=True, db_default="", default="", help_text="On which it was measured.", max_length=100
            ),
        ),
        migrations.AddConstraint(
            "networkspeed",
            models.UniqueConstraint(
                fields=("step", "processor", "precision", "threads"), name="network_speed_once"
            ),
        ),
        migrations.AlterModelOptions(
            "networkspeed", options={"ordering": ("step", "processor", "precision", "threads")}
        ),
    ]
