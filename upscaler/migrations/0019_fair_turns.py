"""Upscales wait in lanes, by rank; teams take turns there. What waits already keeps its order: by team and id."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

RANK = """
UPDATE upscaler_upscale
SET lane = placed.lane, "rank" = placed.place - 1
FROM (
    SELECT id, lane, ROW_NUMBER() OVER (PARTITION BY team_id, lane ORDER BY id) AS place
    FROM (
        SELECT id, team_id, CASE WHEN source_file = '' THEN 'fetch' WHEN handed_over_at IS NOT NULL THEN 'follow'
            ELSE engine END AS lane
        FROM upscaler_upscale
        WHERE status IN ('Created', 'Ongoing')
    ) AS waits
) AS placed
WHERE placed.id = upscaler_upscale.id
"""

TURNS = """
INSERT INTO upscaler_turn (team_id, lane, start, "rank")
SELECT DISTINCT team_id, lane, 0, 0
FROM upscaler_upscale
WHERE status IN ('Created', 'Ongoing')
"""


class Migration(migrations.Migration):
    dependencies = [("upscaler", "0018_batches")]

    operations = [
        migrations.CreateModel(
            name="Lane",
            fields=[
                ("name", models.CharField(max_length=20, primary_key=True, serialize=False)),
                (
                    "time",
                    models.BigIntegerField(
                        default=0, help_text="The start of the turn that was given last: the virtual time."
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Turn",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("lane", models.CharField(max_length=20)),
                ("start", models.BigIntegerField(default=0, help_text="The team that has the lowest is next.")),
                (
                    "rank",
                    models.BigIntegerField(
                        default=0, help_text="The highest rank of the team's upscales that was taken."
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="turns", to="upscaler.team"
                    ),
                ),
            ],
            options={
                "constraints": (models.UniqueConstraint(fields=("team", "lane"), name="turn_once"),),
                "indexes": [models.Index(fields=["lane", "start", "team"], name="turn_next")],
            },
        ),
        migrations.RemoveIndex(model_name="upscale", name="upscale_open_due"),
        migrations.RemoveIndex(model_name="upscale", name="upscale_in_flight"),
        migrations.RemoveField(model_name="upscale", name="due_at"),
        migrations.RemoveField(model_name="upscale", name="resends"),
        migrations.AddField(
            model_name="upscale",
            name="flow",
            field=models.BigIntegerField(default=0, editable=False, help_text="Its batch, or 0 for single orders."),
        ),
        migrations.AddField(
            model_name="upscale",
            name="lane",
            field=models.CharField(
                blank=True, default="", editable=False, help_text="The kind of work that comes next.", max_length=20
            ),
        ),
        migrations.AddField(
            model_name="upscale",
            name="rank",
            field=models.BigIntegerField(
                blank=True,
                editable=False,
                help_text="Its place in the lane among its team's; empty once it ended.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="upscale",
            index=models.Index(
                fields=["lane", "team", "rank", "id"], condition=Q(rank__isnull=False) & Q(lease_until__isnull=True), name="upscale_next"
            ),
        ),
        migrations.AddIndex(
            model_name="upscale",
            index=models.Index(fields=["team", "lane", "flow", "rank"], condition=Q(rank__isnull=False), name="upscale_flow"),
        ),
        migrations.AddIndex(
            model_name="upscale",
            index=models.Index(
                fields=["not_before"], condition=Q(not_before__isnull=False), name="upscale_paused"
            ),
        ),
        migrations.AddIndex(
            model_name="upscale",
            index=models.Index(
                fields=["lease_until"], condition=Q(lease_until__isnull=False), name="upscale_leased"
            ),
        ),
        migrations.AddIndex(
            model_name="upscale",
            index=models.Index(
                fields=["engine"],
                condition=Q(rank__isnull=False) & Q(handed_over_at__isnull=False),
                name="upscale_in_flight",
            ),
        ),
        # The last, because PostgreSQL changes no table whose foreign keys are still to be checked.
        migrations.RunSQL(RANK, migrations.RunSQL.noop),
        migrations.RunSQL(TURNS, migrations.RunSQL.noop),
    ]
