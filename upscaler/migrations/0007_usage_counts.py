"""Counts what ended before there were counts, and indexes for the review and the admin."""

from django.db import migrations, models

from upscaler import usage

BATCH = 20_000


def count_what_has_ended(apps, schema_editor):
    Upscale, CreditEntry = apps.get_model("upscaler", "Upscale"), apps.get_model("upscaler", "CreditEntry")
    UsageDay, UsageTime = apps.get_model("upscaler", "UsageDay"), apps.get_model("upscaler", "UsageTime")
    UsageDay.objects.all().delete()
    UsageTime.objects.all().delete()
    tally, last = usage.Tally(), 0
    ended = Upscale.objects.filter(status__in=("Done", "Error")).order_by("pk").values_list(*usage.READ)
    while batch := list(ended.filter(pk__gt=last)[:BATCH]):
        refunds = CreditEntry.objects.filter(kind="refund", upscale__gt=last, upscale__lte=batch[-1][0])
        tally.add(batch, dict(refunds.values_list("upscale_id", "amount")))
        last = batch[-1][0]
    usage.store(tally, UsageDay, UsageTime)


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
