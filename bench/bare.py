"""The least that Django can do: a project with one view that answers a few fields as JSON, and nothing around it."""

from __future__ import annotations

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

settings.configure(
    ROOT_URLCONF=__name__, SECRET_KEY="for-the-bench-only", ALLOWED_HOSTS=["127.0.0.1"], MIDDLEWARE=[], DEBUG=False
)
django.setup()


def view(request: HttpRequest) -> JsonResponse:
    """What the desk is measured against."""
    return JsonResponse({"generation_id": 1, "status": "Done", "progress": 1.0})


urlpatterns = [path("", view)]
application = get_wsgi_application()
