"""The index of results that wait for approval, made without holding up those who write."""

from django.db import migrations, models

from upscaler.migrations._beside import AddIndexBeside


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("upscaler", "0033_reviews")]

    operations = [
        AddIndexBeside(
            model_name="upscale",
            index=models.Index(
                condition=models.Q(("pending_since__isnull", False)),
                fields=["team", "-id"],
                name="upscale_team_pending",
            ),
        ),
    ]
