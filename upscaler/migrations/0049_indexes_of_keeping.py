from django.db import migrations, models

from upscaler.migrations._beside import AddIndexBeside


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("upscaler", "0048_keeping")]

    operations = [
        AddIndexBeside(
            model_name="upscale",
            index=models.Index(
                condition=models.Q(("archived_at__isnull", False)), fields=["team", "-id"], name="upscale_team_put_away"
            ),
        ),
        AddIndexBeside(
            model_name="upscale",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True), ("completed_at__isnull", False)),
                fields=["team", "completed_at", "id"],
                name="upscale_team_over_age",
            ),
        ),
        # The first of these two takes its place.
        migrations.RemoveIndex(model_name="upscale", name="upscale_team_archived"),
    ]
