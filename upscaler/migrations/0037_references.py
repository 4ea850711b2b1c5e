from django.db import migrations, models

REFERENCE = models.CharField(blank=True, db_default="", default="", help_text="A program's own.", max_length=100)


class Migration(migrations.Migration):
    dependencies = [("upscaler", "0036_file_marks")]

    operations = [
        migrations.AddField("batch", "reference", REFERENCE),
        migrations.AddField("upscale", "reference", REFERENCE.clone()),
    ]
