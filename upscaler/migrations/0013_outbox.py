"""Notices about budgets and balances become the one outbox for every e-mail; each stays, sent or not."""

from datetime import timedelta

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q

SUBJECTS = {
    'team_budget': 'most of this month’s budget is used',
    'person_budget': 'most of a person’s budget of this month is used',
    'low_balance': 'few credits are left',
}
LIFETIME = timedelta(days=7)


def address_notices(apps, schema_editor):
    """Write down what was worked out at sending: whom each is for, its subject, and until when it is tried."""
    Email = apps.get_model('upscaler', 'Email')
    User = apps.get_model(settings.AUTH_USER_MODEL)
    Email.objects.update(expires_at=F('created_at') + LIFETIME, to_admins=True)
    for email in Email.objects.select_related('team').iterator(chunk_size=1000):
        email.subject = ' '.join(f'{email.team.name}: {SUBJECTS[email.kind]}'.split())
        if email.kind == 'person_budget':
            # "2026-11:5" tells the admins about person 5, "2026-11:5:own" that person.
            _month, person, *own = email.about.split(':')
            email.user = User.objects.filter(pk=int(person)).first()
            email.to_admins = not own
        email.save(update_fields=['subject', 'user', 'to_admins'])
    # PostgreSQL makes no index on a table while checks of its new rows are still to come.
    schema_editor.connection.check_constraints()


def drop_what_notices_cannot_hold(apps, schema_editor):
    """Backwards: invitations and links for new passwords left at once before, so none is in the table."""
    apps.get_model('upscaler', 'Email').objects.filter(kind__in=('invitation', 'password')).delete()
    schema_editor.connection.check_constraints()


class Migration(migrations.Migration):
    dependencies = [
        ('upscaler', '0012_handover'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(model_name='notice', name='notice_once'),
        migrations.RenameModel('Notice', 'Email'),
        migrations.AlterModelOptions(name='email', options={'ordering': ('-id',), 'verbose_name': 'e-mail'}),
        migrations.RenameIndex(model_name='email', new_name='email_unsent', old_name='notice_unsent'),
        migrations.AlterField(
            model_name='email',
            name='team',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='emails', to='upscaler.team'),
        ),
        migrations.AlterField(
            model_name='email',
            name='kind',
            field=models.CharField(choices=[('team_budget', "80 % of the team's budget"), ('person_budget', "80 % of a person's budget"), ('low_balance', 'Low balance'), ('invitation', 'Invitation'), ('password', 'Link for a new password')], max_length=20),
        ),
        migrations.AlterField(
            model_name='email',
            name='about',
            field=models.CharField(blank=True, help_text='What it is about: a team is told once of each. Empty for one that may be repeated.', max_length=320, null=True),
        ),
        migrations.AlterField(model_name='email', name='text', field=models.TextField(blank=True)),
        migrations.AddField(
            model_name='email',
            name='to',
            field=models.JSONField(blank=True, default=list, help_text='Addresses.'),
        ),
        migrations.AddField(model_name='email', name='to_admins', field=models.BooleanField(default=False)),
        migrations.AddField(
            model_name='email',
            name='user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='email',
            name='subject',
            field=models.CharField(default='', max_length=300),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='email',
            name='facts',
            field=models.JSONField(blank=True, default=dict, help_text='What a text is made from that is not stored.'),
        ),
        migrations.AddField(
            model_name='email',
            name='expires_at',
            field=models.DateTimeField(default=django.utils.timezone.now, help_text='It is given up then.'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='email',
            name='failure',
            field=models.CharField(blank=True, help_text='Why the last attempt failed, for people.', max_length=200),
        ),
        migrations.AddField(
            model_name='invitation',
            name='last_email',
            field=models.ForeignKey(blank=True, help_text='The e-mail with the link that works.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='upscaler.email'),
        ),
        migrations.AddConstraint(
            model_name='email',
            constraint=models.UniqueConstraint(fields=('team', 'kind', 'about'), name='email_once'),
        ),
        migrations.AddIndex(
            model_name='email',
            index=models.Index(condition=Q(('team__isnull', True)), fields=['kind', 'about'], name='email_about'),
        ),
        migrations.RunPython(address_notices, drop_what_notices_cannot_hold),
    ]
