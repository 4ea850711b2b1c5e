from django.db import migrations, models

from upscaler.migrations._beside import AddIndexBeside


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("upscaler", "0050_storage")]

    operations = [
        AddIndexBeside(
            model_name="upscale",
            index=models.Index(fields=["team", "-id", "deleted_at", "deleted_by_rule"], name="upscale_team_listed"),
        ),
        AddIndexBeside(
            model_name="upscale",
            index=models.Index(
                fields=["team", "status", "-id", "deleted_at", "deleted_by_rule", "withdrawn_at"],
                name="upscale_team_status_listed",
            ),
        ),
        # These two take their places.
        migrations.RemoveIndex(model_name="upscale", name="upscale_team_newest"),
        migrations.RemoveIndex(model_name="upscale", name="upscale_team_status"),
    ]
