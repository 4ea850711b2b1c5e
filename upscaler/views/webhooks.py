"""The pages of webhooks: who is told, with what secret, and what was sent."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from upscaler.errors import PublicError
from upscaler.models import WebhookDelivery, WebhookEndpoint
from upscaler.queue import dispatch
from upscaler.views.access import TeamRequest, admin_required
from upscaler.views.query import number
from upscaler.webhooks import delivery, endpoints

PAGE_SIZE = 50


class EndpointForm(forms.Form):
    """A new address, and what it is told."""

    url = forms.CharField(error_messages={"required": "Give the address that is to be told."})
    events = forms.MultipleChoiceField(
        choices=WebhookEndpoint.Event.choices,
        error_messages={
            "required": "Choose at least one event.",
            "invalid_choice": "There is no event “%(value)s”. Choose from the list.",
        },
    )

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"].strip()
        try:
            endpoints.check_address(url)
        except PublicError as error:
            raise forms.ValidationError(error.message, code=error.code) from None
        return url


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@admin_required
def page(request: TeamRequest) -> HttpResponse:
    """Show the team's webhooks, or add one and show its secret this once."""
    if request.method != "POST":
        return _page(request, EndpointForm(initial={"events": list(endpoints.EVENTS)}))
    form = EndpointForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    try:
        made = endpoints.add(
            team=request.team,
            user=request.user,
            url=form.cleaned_data["url"],
            events=form.cleaned_data["events"],
            request=request,
        )
    except PublicError as refusal:
        form.add_error(None, refusal.message)
        return _page(request, form, status=422)
    # In this very answer and nowhere else: a redirect would have to keep the secret somewhere in between.
    return _page(request, EndpointForm(initial={"events": list(endpoints.EVENTS)}), made=made, secret=made.secret)


@require_http_methods(["GET", "HEAD"])
@admin_required
def log(request: TeamRequest, pk: int) -> HttpResponse:
    """What was sent to one address, the newest first."""
    endpoint = get_object_or_404(_all(request), pk=pk)
    shown = Paginator(endpoint.deliveries.order_by("-pk"), PAGE_SIZE).get_page(number(request.GET, "page"))
    return render(request, "webhooks/log.html", {"endpoint": endpoint, "page": shown, "days": delivery.KEPT.days})


@require_POST
@admin_required
def test(request: TeamRequest, pk: int) -> HttpResponse:
    """Send a message that tells nothing."""
    endpoint = _find(request, pk)
    endpoints.test(endpoint)
    return _sent(request, endpoint, "A test message is on its way. Reload this page to see what came of it.")


@require_POST
@never_cache
@admin_required
def rotate(request: TeamRequest, pk: int) -> HttpResponse:
    """Replace the secret, and show the new one this once."""
    endpoint = _find(request, pk)
    secret = endpoints.rotate(endpoint, by=request.user, request=request)
    form = EndpointForm(initial={"events": list(endpoints.EVENTS)})
    return _page(request, form, made=endpoint, secret=secret, is_rotated=True)


@require_POST
@admin_required
def switch(request: TeamRequest, pk: int) -> HttpResponse:
    """Switch an endpoint on or off."""
    endpoint, on = _find(request, pk), request.POST.get("on") == "true"
    endpoints.switch(endpoint, on=on, by=request.user, request=request)
    messages.success(request, f"The webhook is {'on' if on else 'off'} now.")
    if on:
        dispatch.webhooks()
    return redirect("webhooks")


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def remove(request: TeamRequest, pk: int) -> HttpResponse:
    """Ask whether the webhook shall go, or remove it."""
    endpoint = _find(request, pk)
    if request.method != "POST":
        return render(request, "webhooks/remove.html", {"endpoint": endpoint})
    endpoints.remove(endpoint, by=request.user, request=request)
    messages.success(request, "The webhook is removed. Its address is told nothing more.")
    return redirect("webhooks")


@require_POST
@admin_required
def send_again(request: TeamRequest, pk: int) -> HttpResponse:
    """Send one message once more."""
    found = get_object_or_404(WebhookDelivery.objects.select_related("endpoint"), pk=pk, endpoint__in=_all(request))
    if not endpoints.send_again(found, after=request.POST.get("after", "")):
        messages.info(request, "The message was sent meanwhile. Look at its answer here before you send it again.")
        return redirect("webhook", found.endpoint_id)
    return _sent(request, found.endpoint, "The message is on its way again. Reload this page to see what came of it.")


def _sent(request: TeamRequest, endpoint: WebhookEndpoint, message: str) -> HttpResponse:
    if endpoint.off_since is not None:
        messages.warning(request, "This webhook is switched off. The message leaves once it is on again.")
    else:
        messages.success(request, message)
        dispatch.webhooks()
    return redirect("webhook", endpoint.pk)


def _all(request: TeamRequest) -> Any:
    return WebhookEndpoint.objects.filter(team=request.team, removed_at=None)


def _find(request: TeamRequest, pk: int) -> WebhookEndpoint:
    """One of the team's own: what orders name is as they name it, and shared by all that name the same."""
    found: WebhookEndpoint = get_object_or_404(_all(request).select_related("team"), pk=pk, is_of_orders=False)
    return found


def _page(request: TeamRequest, form: EndpointForm, *, status: int = 200, **more: Any) -> HttpResponse:
    of_orders = WebhookEndpoint.objects.filter(team=request.team, is_of_orders=True, removed_at=None)
    context = {
        "form": form,
        "endpoints": endpoints.of_team(request.team).select_related("created_by"),
        "of_orders": of_orders.order_by("-last_sent_at", "-pk")[:PAGE_SIZE],
        "now": timezone.now(),
        **more,
    }
    return render(request, "webhooks/page.html", context, status=status)
