from django.db import migrations, models

from upscaler.migrations._beside import AddIndexBeside


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("upscaler", "0046_files_to_be_read")]

    operations = [
        AddIndexBeside(
            model_name="batch",
            index=models.Index(condition=models.Q(("webhook__isnull", False)), fields=["webhook"], name="batch_webhook"),
        ),
        AddIndexBeside(
            model_name="upscale",
            index=models.Index(condition=models.Q(("webhook__isnull", False)), fields=["webhook"], name="upscale_webhook"),
        ),
    ]
