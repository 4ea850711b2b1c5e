"""A copy of what the desk knows of a person, as a ZIP: JSON files, and on request the pictures they ordered."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import PurePath
from typing import IO, Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Q, QuerySet
from django.utils import timezone

from upscaler.models import (
    ApiToken,
    AuditEvent,
    Batch,
    CreditEntry,
    Email,
    Feed,
    Membership,
    OidcIdentity,
    ReviewDecision,
    ShareLink,
    Upscale,
    media_storage,
)

AT_ONCE = 500
"""Rows in memory, however many there are."""
BLOCK = 1024 * 1024
README = """What this desk knows of {name}, as of {now}.

account.json: the account, teams, tokens (without their secrets), the company's account.
orders.json: every picture that was ordered, with its settings, its end and its credits.
batches.json, decisions.json, shared_links.json, catalogue_checks.json: what else was made or decided.
ledger.json: the entries of credits that the person made, or that belong to their orders.
activity.json: what was noted of the person's deeds, with the address they came from.
emails.json: e-mails to the person, without their text.
{rest}"""


def write(user: Any, target: IO[bytes], *, teams: Collection[int] | None = None, with_files: bool = False) -> int:
    """Write the ZIP to ``target``. Returns how many orders are in it.

    ``teams``: the numbers of the teams whose orders, decisions, entries and events are wanted; None for all that the
    person was ever in. ``with_files``: originals and results too, where they are there and given out. Raises OSError.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        more = ["files/: originals and results, by the order's number."] if with_files else []
        if teams is not None:
            more.append("What was done for teams that the person has left is not in it.")
        now = timezone.localtime().isoformat()
        archive.writestr("README.txt", README.format(name=user.get_username(), now=now, rest="\n".join([*more, ""])))
        archive.writestr("account.json", _json(_account(user)))
        rows = {
            "batches": map(_batch, _mine(Batch, teams, created_by=user, ordered_at__isnull=False)),
            "decisions": map(_decision, _mine(ReviewDecision, teams, user=user)),
            "shared_links": map(_link, _mine(ShareLink, teams, made_by=user)),
            "catalogue_checks": map(_feed, _mine(Feed, teams, created_by=user)),
            "ledger": map(_entry, _entries(user, teams)),
            "activity": map(_event, _mine(AuditEvent, teams, user=user)),
            "emails": map(_email, Email.objects.filter(user=user, to_admins=False).order_by("pk").iterator(AT_ONCE)),
        }
        orders = _write_rows(archive, "orders", map(_order, _orders(user, teams)))
        for name, those in rows.items():
            _write_rows(archive, name, those)
        if with_files:
            _write_files(archive, _orders(user, teams))
    return orders


def _write_rows(archive: zipfile.ZipFile, name: str, rows: Iterable[dict[str, Any]]) -> int:
    written = 0
    with archive.open(f"{name}.json", "w") as file:
        file.write(b"[")
        for row in rows:
            file.write((",\n" if written else "\n").encode() + _json(row).encode())
            written += 1
        file.write(b"\n]\n")
    return written


def _write_files(archive: zipfile.ZipFile, orders: Iterator[Upscale]) -> None:
    for order in orders:
        given = {"source": order.source_file.name if order.gives_source else ""}
        given["result"] = order.result_file.name if order.gives_file else ""
        for what, path in given.items():
            if not path:
                continue
            name = f"files/{order.pk}-{what}{PurePath(path).suffix}"
            # Pictures are packed already.
            info = zipfile.ZipInfo(name, timezone.localtime().timetuple()[:6])
            try:
                with media_storage().open(path) as stored, archive.open(info, "w", force_zip64=True) as file:
                    for chunk in stored.chunks(BLOCK):
                        file.write(chunk)
            except FileNotFoundError:
                continue  # Deleted meanwhile.


def _mine(model: Any, teams: Collection[int] | None, **where: Any) -> Iterator[Any]:
    return _of_teams(model.objects.filter(**where), teams).order_by("pk").iterator(AT_ONCE)


def _of_teams(rows: QuerySet[Any], teams: Collection[int] | None) -> QuerySet[Any]:
    return rows if teams is None else rows.filter(team__in=list(teams))


def _orders(user: Any, teams: Collection[int] | None) -> Iterator[Upscale]:
    mine = _of_teams(Upscale.objects.filter(created_by=user), teams)
    return mine.select_related("team", "source_result").order_by("pk").iterator(AT_ONCE)


def _entries(user: Any, teams: Collection[int] | None) -> Iterator[CreditEntry]:
    mine = CreditEntry.objects.filter(Q(created_by=user) | Q(upscale__created_by=user))
    return _of_teams(mine, teams).order_by("pk").iterator(AT_ONCE)


def _json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)


def _columns(row: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _account(user: Any) -> dict[str, Any]:
    places = Membership.objects.filter(user=user).select_related("team").order_by("pk")
    tokens = ApiToken.objects.filter(user=user).select_related("team").order_by("pk")
    return {
        **_columns(user, "username", "first_name", "last_name", "email", "date_joined", "last_login", "is_staff"),
        "teams": [
            {"team": one.team.name, **_columns(one, "role", "monthly_budget"), "since": one.created_at}
            for one in places
        ],
        "tokens": [
            {
                "team": one.team.name,
                **_columns(one, "name", "read_only", "created_at", "last_used_at", "expires_at", "revoked_at"),
            }
            for one in tokens
        ],
        "company_accounts": [
            _columns(one, "issuer", "subject", "email", "created_at", "last_sign_in_at")
            for one in OidcIdentity.objects.filter(user=user)
        ],
    }


def _order(row: Upscale) -> dict[str, Any]:
    return {
        "number": row.pk,
        "team": row.team.name,
        "batch": row.batch_id,
        **_columns(row, "created_at", "completed_at", "status", "error_message", "source_name", "source_folder"),
        **_columns(row, "source_url", "sku", "reference", "model_name", "settings", "engine", "credits"),
        **_columns(row, "source_width", "source_height", "source_bytes", "source_digest"),
        **_columns(row, "result_width", "result_height", "result_bytes", "result_digest", "review"),
        **_columns(row, "archived_at", "deleted_at", "withdrawn_at"),
    }


def _batch(row: Batch) -> dict[str, Any]:
    return {"number": row.pk, **_columns(row, "name", "reference", "ordered_at", "ended_at", "total", "credits")}


def _decision(row: ReviewDecision) -> dict[str, Any]:
    return {"order": row.upscale_id, **_columns(row, "kind", "reason", "note", "created_at")}


def _link(row: ShareLink) -> dict[str, Any]:
    return {
        "order": row.upscale_id,
        "batch": row.batch_id,
        **_columns(row, "label", "created_at", "expires_at", "revoked_at", "opens", "last_opened_at"),
    }


def _feed(row: Feed) -> dict[str, Any]:
    return {"number": row.pk, **_columns(row, "name", "created_at")}


def _entry(row: CreditEntry) -> dict[str, Any]:
    return {"number": row.pk, "order": row.upscale_id, **_columns(row, "kind", "amount", "note", "created_at")}


def _event(row: AuditEvent) -> dict[str, Any]:
    return {"order": row.upscale_id, **_columns(row, "action", "about", "address", "created_at")}


def _email(row: Email) -> dict[str, Any]:
    # Without the text, which may hold a link that opens something.
    return _columns(row, "kind", "to", "subject", "created_at", "sent_at")
