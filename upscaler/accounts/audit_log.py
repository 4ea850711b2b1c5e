"""The audit log: the only module that adds events to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Q
from django.http import HttpRequest

from upscaler.accounts.client_ip import client_address
from upscaler.models import ApiToken, AuditEvent, Batch, Membership, Team, Upscale

MAX_ABOUT_LENGTH = 500


def record(
    action: str,
    *,
    team: Team,
    user: Any,
    about: str = "",
    upscale: Upscale | None = None,
    token: ApiToken | None = None,
    request: HttpRequest | None = None,
    guest_name: str = "",
) -> AuditEvent:
    """Note what somebody did in a team; ``action`` is one of `AuditEvent.Action`, ``about`` the sentence's rest.

    ``guest_name``: what somebody without an account called themselves; ``user`` is None then.

    Call it in the transaction of the deed itself, so that there is both or neither.
    """
    return AuditEvent.objects.create(
        action=action,
        team=team,
        user=user,
        user_name=(f"{guest_name} (by a shared link)" if guest_name else name_of(user))[:200],
        about=about[:MAX_ABOUT_LENGTH],
        upscale=upscale,
        token=token,
        address=client_address(request) if request is not None else None,
    )


def record_each(
    action: str,
    upscales: Iterable[Upscale],
    *,
    team: Team,
    user: Any,
    request: HttpRequest | None = None,
    is_named: bool = True,
) -> None:
    """Note the same deed for each of many upscales, about its name, or without ``is_named`` about its number alone.
    Call it in the transaction of the deed itself."""
    address = client_address(request) if request is not None else None
    AuditEvent.objects.bulk_create(
        (
            AuditEvent(
                action=action,
                team=team,
                user=user,
                user_name=name_of(user)[:200],
                about=((is_named and upscale.source_name) or f"upscale {upscale.pk}")[:MAX_ABOUT_LENGTH],
                upscale=upscale,
                address=address,
            )
            for upscale in upscales
        ),
        batch_size=500,
    )


def forget_names_of(upscales: Iterable[Upscale]) -> None:
    """Take the names of deleted upscales out of what is told of them: that it was done, when and by whom stays."""
    for upscale in upscales:
        AuditEvent.objects.filter(upscale=upscale).redact(about=f"upscale {upscale.pk}")


def forget_batch(batch: Batch) -> None:
    """Take a deleted batch's name out of what is told of it, unless another batch of the team is called so too."""
    name = batch.name
    if Batch.objects.filter(team=batch.team_id, name=name).exclude(pk=batch.pk).exists():
        return
    by_name = Q(about__contains=f"the batch “{name}”")
    for told in (f"” to {name}, until ", f"” to {name} of "):
        by_name |= Q(action__startswith="share_link_", about__contains=told)
    by_name |= Q(action__startswith="share_link_", about__endswith=f"” to {name}")
    AuditEvent.objects.filter(by_name, team=batch.team_id, upscale=None).redact(about="a deleted batch")


def record_in_all_teams(action: str, *, user: Any, about: str = "", request: HttpRequest | None = None) -> None:
    """Note what a person did that concerns each of their teams, like signing in."""
    record_in_teams_of(user, action, by=user, about=about, request=request)


def record_in_teams_of(user: Any, action: str, *, by: Any, about: str = "", request: HttpRequest | None = None) -> None:
    """Note what ``by`` did to a person's account in each of the person's teams."""
    for membership in Membership.objects.filter(user=user).select_related("team"):
        record(action, team=membership.team, user=by, about=about, request=request)


def name_of(user: Any) -> str:
    """What people call a person: the full name where there is one, else the user name; empty for nobody."""
    return (user.get_full_name() or user.get_username()) if user is not None else ""
