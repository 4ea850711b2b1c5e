from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("upscaler", "0043_webhooks_of_orders")]

    # Both tables have a row for each time that a person decided: the indexes are made in a moment.
    operations = [
        migrations.AddIndex("reviewdecision", models.Index(fields=["kind", "created_at"], name="decision_month_of_all")),
        migrations.AddIndex("wrongresult", models.Index(fields=["created_at"], name="wrong_result_month_of_all")),
    ]
