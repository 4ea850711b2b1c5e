from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('upscaler', '0026_channel_files'),
    ]

    operations = [
        migrations.AddField(
            model_name='draftitem',
            name='is_enlarged',
            field=models.BooleanField(db_default=False, default=False, help_text='To be enlarged, although it is large enough for its channels.'),
        ),
        migrations.AddField(
            model_name='draftitem',
            name='product_share',
            field=models.FloatField(blank=True, help_text="The product's longer side in the picture's, 0 to 1; empty until it is known.", null=True),
        ),
        migrations.AddField(
            model_name='upscale',
            name='is_factor_open',
            field=models.BooleanField(db_default=False, default=False, editable=False, help_text='Its source is fetched first; then the channels of its batch say how much it is enlarged.'),
        ),
        migrations.AlterField(
            model_name='batch',
            name='channels',
            field=models.JSONField(blank=True, db_default=[], default=list, help_text='Ids of the channels that files are made for.'),
        ),
        migrations.AlterField(
            model_name='upscale',
            name='engine',
            field=models.CharField(choices=[('local', 'Local'), ('uwear', 'Uwear'), ('fit', 'Only fitted')], max_length=20),
        ),
    ]
