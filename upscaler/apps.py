from django.apps import AppConfig


class UpscalerConfig(AppConfig):
    name = "upscaler"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from upscaler.health import checks  # noqa: F401 - registers the system checks
