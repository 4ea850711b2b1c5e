"""How a hand-over goes gets a table of its own; nothing is lost, on the way back neither."""

import django.db.models.deletion
from django.db import migrations, models

COPY = """
INSERT INTO upscaler_handover
    (upscale_id, reference, submit_count, lost_at, followed_since, silent_since, made_at)
SELECT id, handed_over, submit_count, lost_at, followed_since, silent_since, made_at
FROM upscaler_upscale
WHERE handed_over_at IS NOT NULL OR handed_over <> '{}' OR submit_count > 0 OR lost_at IS NOT NULL
    OR followed_since IS NOT NULL OR silent_since IS NOT NULL OR made_at IS NOT NULL
"""

COPY_BACK = """
UPDATE upscaler_upscale
SET handed_over = h.reference, submit_count = h.submit_count, lost_at = h.lost_at,
    followed_since = h.followed_since, silent_since = h.silent_since, made_at = h.made_at
FROM upscaler_handover AS h
WHERE h.upscale_id = upscaler_upscale.id
"""

MOVED = ("handed_over", "submit_count", "lost_at", "followed_since", "silent_since", "made_at")


class Migration(migrations.Migration):
    dependencies = [("upscaler", "0011_plain_names")]

    operations = [
        migrations.CreateModel(
            name="Handover",
            fields=[
                (
                    "upscale",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="handover",
                        serialize=False,
                        to="upscaler.upscale",
                    ),
                ),
                (
                    "reference",
                    models.JSONField(default=dict, help_text="Where the engine was told to find the source."),
                ),
                ("submit_count", models.PositiveIntegerField(default=0, help_text="How often the order was sent.")),
                (
                    "lost_at",
                    models.DateTimeField(help_text="When the last of those ended without an answer.", null=True),
                ),
                (
                    "followed_since",
                    models.DateTimeField(
                        help_text="The engine's time counts from then, its silence left out.", null=True
                    ),
                ),
                (
                    "silent_since",
                    models.DateTimeField(help_text="Since when it does not answer for this upscale.", null=True),
                ),
                (
                    "made_at",
                    models.DateTimeField(
                        help_text="When it said Done: its slot is free, its picture not here.", null=True
                    ),
                ),
            ],
        ),
        migrations.RunSQL(COPY, COPY_BACK),
        *(migrations.RemoveField(model_name="upscale", name=name) for name in MOVED),
    ]
