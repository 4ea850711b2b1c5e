"""Counts what ended before there were counts, and indexes for the review and the admin."""

from bisect import bisect_left
from collections import Counter

from django.db import migrations, models
from django.utils import timezone

# Written out here, and not taken from `upscaler.usage`: a migration does the same for ever, whatever becomes of that.
BATCH = 20_000
ROWS = 2000
BOUNDS = [0.1 * 1.1**step for step in range(190)]
DAY_KEY = ("team_id", "day", "user_id", "model_name", "engine", "status", "error_code")
DAY_SUMS = ("upscales", "credits", "refunded", "pixels")
TIME_KEY = ("team_id", "day", "model_name", "bucket")
READ = (
    "pk", "team_id", "completed_at", "created_by_id", "model_name", "engine", "status", "error_code",
    "credits", "result_width", "result_height", "created_at",
)


def count_what_has_ended(apps, schema_editor):
    Upscale, CreditEntry = apps.get_model("upscaler", "Upscale"), apps.get_model("upscaler", "CreditEntry")
    UsageDay, UsageTime = apps.get_model("upscaler", "UsageDay"), apps.get_model("upscaler", "UsageTime")
    UsageDay.objects.all().delete()
    UsageTime.objects.all().delete()
    days, times, last = {}, Counter(), 0
    ended = Upscale.objects.filter(status__in=("Done", "Error")).order_by("pk").values_list(*READ)
    while batch := list(ended.filter(pk__gt=last)[:BATCH]):
        refunds = CreditEntry.objects.filter(kind="refund", upscale__gt=last, upscale__lte=batch[-1][0])
        refunded = dict(refunds.values_list("upscale_id", "amount"))
        for pk, team, ended_at, user, model, engine, status, code, price, width, height, began in batch:
            day, done = timezone.localdate(ended_at), status == "Done"
            key = (team, day, user, model, engine, status, code)
            more = (1, price, refunded.get(pk, 0), (width or 0) * (height or 0) if done else 0)
            days[key] = tuple(map(sum, zip(days.get(key, (0, 0, 0, 0)), more)))
            if done:
                times[team, day, model, bisect_left(BOUNDS, (ended_at - began).total_seconds())] += 1
        last = batch[-1][0]
    UsageDay.objects.bulk_create(
        (UsageDay(**dict(zip((*DAY_KEY, *DAY_SUMS), (*key, *sums)))) for key, sums in days.items()), batch_size=ROWS
    )
    UsageTime.objects.bulk_create(
        (UsageTime(**dict(zip(TIME_KEY, key)), upscales=number) for key, number in times.items()), batch_size=ROWS
    )


class Migration(migrations.Migration):

    dependencies = [
        ('upscaler', '0006_month_spend_and_notices'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='upscale',
            index=models.Index(fields=['error_code', 'team', '-id'], name='upscale_failure'),
        ),
        migrations.AddIndex(
            model_name='upscale',
            index=models.Index(fields=['status', '-id'], name='upscale_status'),
        ),
        migrations.AddIndex(
            model_name='upscale',
            index=models.Index(fields=['created_at'], name='upscale_created'),
        ),
        migrations.AddIndex(
            model_name='usageday',
            index=models.Index(fields=['day'], name='usage_day'),
        ),
        migrations.AddIndex(
            model_name='usagetime',
            index=models.Index(fields=['day'], name='usage_time_day'),
        ),
        migrations.RunPython(count_what_has_ended, migrations.RunPython.noop, elidable=True),
    ]
