"""Columns get the names that the field uses; nothing is lost."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("upscaler", "0010_recent_results")]

    operations = [
        migrations.RenameField("upscale", "asked_format", "requested_format"),
        migrations.RenameField("upscale", "made_with", "provenance"),
        migrations.RenameField("upscale", "posts", "submit_count"),
    ]
