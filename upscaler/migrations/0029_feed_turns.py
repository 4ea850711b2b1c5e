import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('upscaler', '0028_channel_file_leases'),
    ]

    operations = [
        migrations.AddField(
            model_name='feedcheck',
            name='worked_at',
            field=models.DateTimeField(blank=True, editable=False, help_text='When it was last taken up: who waits longest is next.', null=True),
        ),
        migrations.CreateModel(
            name='FeedHost',
            fields=[
                ('name', models.CharField(max_length=255, primary_key=True, serialize=False)),
                ('next_at', models.DateTimeField(blank=True, help_text='When it may be asked again.', null=True)),
                ('queue', models.JSONField(default=list, help_text='Numbers of the checks that wait for it, the first one first.')),
                ('kept_until', models.DateTimeField(blank=True, help_text='Until when it is kept for the first of them.', null=True)),
                ('check_of', models.ForeignKey(blank=True, db_column='check_id', help_text='That asks it, as long as its lease runs.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='upscaler.feedcheck')),
            ],
        ),
    ]
