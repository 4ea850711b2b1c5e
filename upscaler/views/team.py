"""Whose team a request works for."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render

from upscaler.models import Team


class TeamRequest(HttpRequest):
    """A request of a signed-in person who is in a team."""

    team: Team


def team_required(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Show people without a team what to do, and the page itself to everybody else."""

    @wraps(view)
    def guarded(request: TeamRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.team:
            return render(request, "noteam.html", status=403)
        return view(request, *args, **kwargs)

    return guarded
