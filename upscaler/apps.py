import mimetypes

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class UpscalerConfig(AppConfig):
    name = "upscaler"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Here and not above: the checks import models, which need this app to be loaded.
        from upscaler import picture_formats, search
        from upscaler.health import checks  # noqa: F401 - registers the system checks

        # Python itself knows neither WebP nor JPEG XL, and slim images of Linux have no list of their own.
        for known in picture_formats.FORMATS.values():
            for ending in known.endings:
                mimetypes.add_type(known.media_type, ending)

        # After any migration: SQLite drops a table's triggers whenever Django makes the table anew.
        post_migrate.connect(search.set_up, sender=self, dispatch_uid="upscaler.search")
