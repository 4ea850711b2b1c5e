from django.db import migrations, models

from upscaler.migrations._beside import AddIndexBeside


class Migration(migrations.Migration):
    # Apart from the column's, so that an index which broke off can be made again.
    atomic = False

    dependencies = [("upscaler", "0039_newer_models")]

    operations = [
        AddIndexBeside(
            "upscale",
            models.Index(
                condition=models.Q(("reference", ""), _negated=True),
                fields=["team", "reference", "-id"],
                name="upscale_team_reference",
            ),
        ),
    ]
