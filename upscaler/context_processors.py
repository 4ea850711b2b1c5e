"""What every page knows beside its own context."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from upscaler.accounts import passwords
from upscaler.channels import teams
from upscaler.engines import get_engine
from upscaler.engines.base import RemoteEngine
from upscaler.models import Team
from upscaler.processing import circuit_breaker
from upscaler.queue.workers import recently_missing
from upscaler.review import waiting
from upscaler.storage import team_room


def channels(request: HttpRequest) -> dict[str, Any]:
    """``channel_titles``: what people call each channel of the team, by id. Asked for once used."""
    return {"channel_titles": SimpleLazyObject(lambda: teams.titles(getattr(request, "channels", [])))}


def review(request: HttpRequest) -> dict[str, Any]:
    """``to_review``: how many results wait for the team's approval. Asked for once used.

    ``uses_review``: whether the team approves results, or some of them still wait from when it did.
    """
    team = getattr(request, "team", None)
    if not team:
        return {}
    count = SimpleLazyObject(lambda: waiting.count(team))
    return {
        "to_review": count,
        "uses_review": SimpleLazyObject(lambda: team.reviews != Team.Reviews.NOBODY or bool(count)),
    }


def engine(request: HttpRequest) -> dict[str, Any]:
    """``engine_down_since``: since when the remote engine does not answer; empty where it does. Asked for once used.

    ``engine_title``: what people call that engine.
    """
    engine = get_engine(settings.ENGINE)
    if not isinstance(engine, RemoteEngine):
        return {"engine_down_since": ""}
    return {
        "engine_down_since": SimpleLazyObject(lambda: circuit_breaker.down_since(engine) or ""),
        "engine_title": engine.title,
    }


def storage(request: HttpRequest) -> dict[str, Any]:
    """``room``: how much the team keeps, and may keep (`team_room.Room`). Asked for once used."""
    team = getattr(request, "team", None)
    return {"room": SimpleLazyObject(lambda: team_room.of_team(team))} if team else {}


def workers(request: HttpRequest) -> dict[str, Any]:
    """``no_workers``: the queues that no worker is alive for (`NoWorkers`); None for none. Asked for once used."""
    return {"no_workers": SimpleLazyObject(recently_missing)}


def sign_in(request: HttpRequest) -> dict[str, Any]:
    """``oidc``: how people sign in with the company's account (`settings.OIDC`).

    ``has_password``: whether the signed-in person has a password that counts here. Asked for once used.
    """
    user = getattr(request, "user", None)
    has_password = SimpleLazyObject(lambda: user is not None and user.is_authenticated and passwords.count_for(user))
    return {"oidc": settings.OIDC, "has_password": has_password}
