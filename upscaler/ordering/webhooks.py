"""Whom an order wants to be told of its end: the rules of ``webhook_url``, ``webhook_secret``, ``webhook_events``."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from upscaler.errors import PublicError
from upscaler.models import Team, WebhookEndpoint
from upscaler.webhooks import endpoints, signing

MAX_SECRET = 255
FIELDS = ("webhook_url", "webhook_secret", "webhook_events")


class EventsField(forms.Field):
    """A list of events; all of them where it is empty."""

    def to_python(self, value: Any) -> list[str]:
        if value in (None, ""):
            return []
        if not isinstance(value, list) or not all(isinstance(event, str) for event in value):
            raise ValidationError("webhook_events must be a list of events.", code="list_type")
        for event in value:
            if event not in endpoints.EVENTS:
                raise ValidationError(f"Known events are {', '.join(endpoints.EVENTS)}.", code="enum")
        return list(dict.fromkeys(value))


class WebhookForm(forms.Form):
    """The webhook of one order or of a batch; none where ``webhook_url`` is empty."""

    webhook_url = forms.CharField(required=False, empty_value="")
    webhook_secret = forms.CharField(
        required=False,
        empty_value="",
        strip=False,
        max_length=MAX_SECRET,
        error_messages={"max_length": "The secret has %(show_value)d characters; the limit is %(limit_value)d."},
    )
    webhook_events = EventsField(required=False)

    def clean_webhook_url(self) -> str:
        url: str = self.cleaned_data["webhook_url"].strip()
        if url:
            try:
                endpoints.check_address(url)
            except PublicError as error:
                raise ValidationError(error.message, code=error.code) from None
        return url

    def clean_webhook_secret(self) -> str:
        secret: str = self.cleaned_data["webhook_secret"]
        if secret.startswith(signing.PREFIX) and not signing.is_secret(secret):
            raise ValidationError(
                f"After {signing.PREFIX} comes the Base64 of {signing.LEAST_BYTES} to {signing.MOST_BYTES} random "
                "bytes.",
                code="webhook_secret",
            )
        return secret

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if "webhook_url" in data and not data["webhook_url"]:
            for field in ("webhook_secret", "webhook_events"):
                if data.get(field):
                    self.add_error(field, ValidationError("Give webhook_url too, or leave this out.", code="missing"))
        return data

    def endpoint(self, *, team: Team, user: Any, request: HttpRequest | None) -> WebhookEndpoint | None:
        """The row that the order points to, once the form is valid; None where nobody is to be told."""
        data = self.cleaned_data
        if not data["webhook_url"]:
            return None
        return endpoints.of_order(
            team=team,
            user=user,
            url=data["webhook_url"],
            secret=data["webhook_secret"],
            events=data["webhook_events"],
            request=request,
        )
