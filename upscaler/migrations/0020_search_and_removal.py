from django.db import migrations, models

from upscaler.text import folded

BATCH = 2000


def fill(apps, schema_editor):
    Upscale = apps.get_model("upscaler", "Upscale")
    last = 0
    while True:
        rows = list(Upscale.objects.filter(pk__gt=last).order_by("pk").only("pk", "sku", "source_name")[:BATCH])
        if not rows:
            return
        for row in rows:
            row.search_text = f"{folded(row.sku)}\n{folded(row.source_name)}"
        Upscale.objects.bulk_update(rows, ["search_text"], batch_size=400)
        last = rows[-1].pk


def forget_index(apps, schema_editor):
    """What `upscaler.search` made after the migration names the column, which is about to go."""
    if schema_editor.connection.vendor == "sqlite":
        for name in ("insert", "delete", "update"):
            schema_editor.execute(f"DROP TRIGGER IF EXISTS upscaler_search_{name}")
        schema_editor.execute("DROP TABLE IF EXISTS upscaler_search")


class Migration(migrations.Migration):

    dependencies = [("upscaler", "0019_fair_turns")]

    operations = [
        migrations.RemoveIndex(model_name="upscale", name="upscale_withdrawn_result"),
        migrations.AddField(
            model_name="upscale",
            name="search_text",
            field=models.TextField(blank=True, default="", editable=False),
        ),
        migrations.AddIndex(
            model_name="upscale",
            index=models.Index(
                condition=models.Q(("archived_at__isnull", False), ("deleted_at__isnull", True)),
                fields=["team", "-id"],
                name="upscale_team_archived",
            ),
        ),
        migrations.AddIndex(
            model_name="upscale",
            index=models.Index(fields=["source_file"], name="upscale_source_file"),
        ),
        migrations.AddIndex(
            model_name="upscale",
            index=models.Index(fields=["result_file"], name="upscale_result_file"),
        ),
        migrations.AddIndex(
            model_name="upscale",
            index=models.Index(
                condition=models.Q(
                    ("deleted_at__isnull", False),
                    models.Q(("source_file", ""), ("result_file", ""), _negated=True),
                ),
                fields=["id"],
                name="upscale_files_to_remove",
            ),
        ),
        migrations.RunPython(fill, forget_index),
    ]
