"""What the tests of the company's sign-in have in common: a person there, the desk's settings, and what came of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model

from upscaler.models import Membership, Team

User: Any = get_user_model()
ANNA = {
    "sub": "anna-1",
    "email": "anna@acme.example",
    "email_verified": True,
    "preferred_username": "anna@acme.example",
    "given_name": "Anna",
    "family_name": "Berg",
}


def set_oidc(**changed: Any) -> None:
    """Until the provider's fixture ends."""
    settings.OIDC = replace(settings.OIDC, **changed)


def refusal(answer: Any, words: str) -> None:
    assert (answer.status_code, words in answer.content.decode()) == (403, True), answer.content.decode()


def roles(user: Any) -> dict[str, str]:
    return {place.team.slug: place.role for place in Membership.objects.filter(user=user)}


def events(team: Team) -> list[str]:
    return [f"{event.get_action_display()} {event.about}" for event in team.events.order_by("pk")]
