import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.models import DateField, F, Q, Sum
from django.db.models.functions import TruncMonth


def fill_month_spend(apps, schema_editor):
    """What each person's upscales of each month cost, by the ledger of a desk that was at work before budgets."""
    CreditEntry = apps.get_model('upscaler', 'CreditEntry')
    MonthlySpend = apps.get_model('upscaler', 'MonthlySpend')
    Team = apps.get_model('upscaler', 'Team')
    MonthlySpend.objects.all().delete()
    for team_id in list(Team.objects.order_by('pk').values_list('pk', flat=True)):
        month = TruncMonth('upscale__created_at', output_field=DateField())
        entries = CreditEntry.objects.filter(team_id=team_id, upscale__isnull=False).order_by()
        totals = entries.values(person=F('upscale__created_by'), month=month).annotate(total=-Sum('amount'))
        MonthlySpend.objects.bulk_create(
            [
                MonthlySpend(team_id=team_id, user_id=row['person'], month=row['month'], credits=row['total'])
                for row in totals.iterator()
            ],
            batch_size=1000,
        )


class Migration(migrations.Migration):

    dependencies = [
        ('upscaler', '0005_teams'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='creditentry',
            name='request_key',
            field=models.UUIDField(blank=True, editable=False, help_text='Of the form that asked for it: it is carried out once.', null=True),
        ),
        migrations.AddField(
            model_name='notice',
            name='due_at',
            field=models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='The next attempt is due then.'),
        ),
        migrations.AddIndex(
            model_name='creditentry',
            index=models.Index(fields=['team', 'kind', '-id'], name='entry_team_kind'),
        ),
        migrations.AddIndex(
            model_name='creditentry',
            index=models.Index(fields=['team', 'created_at'], name='entry_team_time'),
        ),
        migrations.AddConstraint(
            model_name='creditentry',
            constraint=models.UniqueConstraint(condition=Q(('request_key__isnull', False)), fields=('team', 'request_key'), name='entry_once_per_request'),
        ),
        migrations.RunPython(fill_month_spend, migrations.RunPython.noop),
    ]
