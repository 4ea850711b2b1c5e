from django.apps import AppConfig


class UpscalerConfig(AppConfig):
    name = "upscaler"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Here and not above: the checks import models, which need this app to be loaded.
        from upscaler.health import checks  # noqa: F401 - registers the system checks
