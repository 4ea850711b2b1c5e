"""For those who watch the desk: is the process up, and can it take work?"""

from __future__ import annotations

from ipaddress import ip_address

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from upscaler.accounts.client_ip import client_address
from upscaler.health import metrics as figures
from upscaler.health import readiness


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Database, queue, engine and picture storage, each with ``ok`` or what is wrong; 503 where one is not ready."""
    parts = readiness.recent_report()
    ready = all(state.startswith(readiness.OK) for state in parts.values())
    return JsonResponse({"ready": ready, **parts}, status=200 if ready else 503)


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Figures for Prometheus, for whoever has METRICS_TOKEN or comes from one of METRICS_ADDRESSES."""
    if not _may_read_metrics(request):
        said = "Send METRICS_TOKEN as a bearer token, or have your address put into METRICS_ADDRESSES.\n"
        return HttpResponse(said, status=403, content_type="text/plain; charset=utf-8")
    return HttpResponse(figures.recent_text(), content_type=CONTENT_TYPE_LATEST)


def _may_read_metrics(request: HttpRequest) -> bool:
    sent = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    if settings.METRICS_TOKEN and constant_time_compare(sent, settings.METRICS_TOKEN):
        return True
    address = client_address(request)
    return address is not None and any(ip_address(address) in network for network in settings.METRICS_ADDRESSES)
