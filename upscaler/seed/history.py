"""A believable history for benches: years of a busy desk in minutes, consistent to the last credit.

Rows are written in bulk, without workers and pictures. All name one small picture that is stored once.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from io import BytesIO
from typing import Any

from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.management.color import no_style
from django.db import connection, models, transaction
from django.utils import timezone
from PIL import Image

from upscaler import upscaling_models, usage
from upscaler.models import Batch, Membership, Team, Upscale, media_storage, search_text
from upscaler.seed import bulk_insert
from upscaler.seed import ledger as ledger

ERROR_SHARE = 0.05
ERRORS = (
    ("uwear_failed", "Uwear could not enlarge this picture. Try another model or another picture."),
    ("too_slow", "This picture took longer than the limit of 25 minutes. Try a smaller enlargement."),
    ("damaged", "The picture is damaged or incomplete. Save it anew from the program it came from."),
    ("too_many_pixels", "The result would have 310 megapixels; the limit is 256. Choose a smaller enlargement."),
    ("gave_up", "The work on this picture stopped 4 times before it could end, so we gave up."),
    ("fetch_status", "The address answered 404. Open it in a browser and copy it again."),
)
ERROR_WEIGHTS = (9, 5, 4, 3, 2, 1)
NAMES = ("coat", "shirt", "dress", "boot", "scarf", "denim-jacket", "knit", "look", "bag", "trouser")
BATCH_SIZES, BATCH_WEIGHTS = (10, 50, 250), (4, 4, 1)
FIRST_NAMES = ("Ada", "Bo", "Chloé", "Dara", "Emil", "Fatou", "Goran", "Hana", "Ines", "Jun", "Kim", "Lea")


@dataclass
class _Crew:
    """A team while its history is made."""

    team: Team
    people: list[int]
    balance: int = 0
    spends: Counter[tuple[int, date]] = field(default_factory=Counter)


@dataclass
class _Together:
    """Those of a batch that are still to be made: all ordered at one moment by one person."""

    crew: _Crew
    person: int
    model: upscaling_models.UpscalingModel
    began: datetime
    batch: int
    left: int


def make(*, upscales: int, teams: int, months: int, people: int, in_batches: int = 0, seed: int = 1) -> list[Team]:
    """Make new teams with ``people`` each and a history of ``upscales`` ended orders over the last ``months``.

    About one in twenty failed and was refunded. The teams are of different sizes, and what there was before stays as
    it is. ``in_batches`` of a hundred were ordered in batches. Files of the rows are all one small picture.
    """
    rng = random.Random(seed)
    picture = _store_picture()
    crews = [_crew(number, people) for number in range(1, teams + 1)]
    first = (Upscale.objects.aggregate(last=models.Max("pk"))["last"] or 0) + 1
    orders = _orders(rng, crews, first=first, upscales=upscales, months=months, picture=picture, in_batches=in_batches)
    bulk_insert.insert(Upscale, orders)
    _give_out_fresh_ids()
    for crew in crews:
        _book(crew, size=upscales // teams)
        usage.rebuild(crew.team)
    if connection.vendor == "postgresql":
        # It learns what is in its tables, and which of their pages are settled, as it does by and by on a desk that
        # grew day by day. SQLite never does.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE" if connection.in_atomic_block else "VACUUM (ANALYZE)")
    return [crew.team for crew in crews]


def _store_picture() -> str:
    storage, name = media_storage(), "history/shared.jpg"
    if not storage.exists(name):
        content = BytesIO()
        Image.linear_gradient("L").resize((64, 80)).convert("RGB").save(content, "JPEG")
        storage.save(name, ContentFile(content.getvalue()))
    return name


def _crew(number: int, people: int) -> _Crew:
    taken = set(Team.objects.filter(slug__startswith="history-").values_list("slug", flat=True))
    serial = next(serial for serial in range(number, number + len(taken) + 1) if f"history-{serial}" not in taken)
    with transaction.atomic():
        team = Team.objects.create(name=f"History {serial}", slug=f"history-{serial}")
        users = [
            get_user_model()(
                username=f"{team.slug}-{place}",
                first_name=FIRST_NAMES[place % len(FIRST_NAMES)],
                last_name=f"of Team {serial}" + (f", {place}" if place >= len(FIRST_NAMES) else ""),
                password="!",  # noqa: S106 -- no password fits it: nobody signs in as them
            )
            for place in range(people)
        ]
        get_user_model().objects.bulk_create(users)
        # Asked for again, because not every database gives the ids of what was created in bulk.
        found = list(
            get_user_model()
            .objects.filter(username__startswith=f"{team.slug}-")
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        Membership.objects.bulk_create(
            Membership(team=team, user_id=user, role=Membership.Role.MERCHANDISER if place else Membership.Role.ADMIN)
            for place, user in enumerate(found)
        )
    return _Crew(team=team, people=found)


def _orders(
    rng: random.Random,
    crews: list[_Crew],
    *,
    first: int,
    upscales: int,
    months: int,
    picture: str,
    in_batches: int,
) -> Iterator[dict[str, Any]]:
    """Ended orders, the earliest first, with ids from ``first`` on. None ends in the future."""
    team_weights = [len(crews) + 1 - place for place in range(len(crews))]
    people_weights = [1 / (1 + place) for place in range(len(crews[0].people))]
    until = timezone.now() - timedelta(hours=2)
    begins = _share_of_begins(in_batches)
    together: _Together | None = None
    for pk, moment in enumerate(_moments(rng, upscales, until - timedelta(days=30.4 * months), until), first):
        began, batch = moment, None
        crew = rng.choices(crews, team_weights)[0]
        model = upscaling_models.MODELS[upscaling_models.TOPAZ if rng.random() < 0.3 else upscaling_models.RECRAFT]
        person = rng.choices(crew.people, people_weights)[0]
        if begins and together is None and rng.random() < begins:
            size = min(rng.choices(BATCH_SIZES, BATCH_WEIGHTS)[0], first + upscales - pk)
            together = _batch(crew, person, model, began, size)
        if together is not None:
            crew, person, model = together.crew, together.person, together.model
            began, batch = together.began, together.batch
            together.left -= 1
            together = together if together.left else None
        by_vendor = rng.random() < 0.15
        median = (30 if model.settings else 7) * (2 if by_vendor else 1)
        width = rng.choice((640, 800, 1000, 1200))
        failed = rng.random() < ERROR_SHARE
        code, message = rng.choices(ERRORS, ERROR_WEIGHTS)[0] if failed else ("", "")
        factor = upscaling_models.factor(model.name, model.defaults)
        made = "" if failed else picture
        name, sku = f"{rng.choice(NAMES)}-{pk % 10_000:04}.jpg", f"{48 + pk % 7}{pk // 4 % 1000:03}"
        yield {
            "id": pk,
            "team_id": crew.team.pk,
            "created_by_id": person,
            "batch_id": batch,
            "created_at": began,
            "started_at": began,
            "completed_at": began + timedelta(seconds=min(median * math.exp(rng.gauss(0, 0.7)), 7000)),
            "source": "upload",
            "source_name": name,
            "sku": sku,
            "search_text": search_text(sku, name),
            "source_file": picture,
            "source_thumbnail": picture,
            "source_width": width,
            "source_height": width * 5 // 4,
            "source_bytes": width * 300,
            "model_name": model.name,
            "settings": model.defaults,
            "credits": model.credits,
            "engine": "uwear" if by_vendor else "local",
            "attempt": 1,
            "order_digest": f"{pk:064x}",
            "status": Upscale.Status.ERROR.value if failed else Upscale.Status.DONE.value,
            "progress": 0.5 if failed else 1.0,
            "error_code": code,
            "error_message": message,
            "result_file": made,
            "result_thumbnail": made,
            "before_preview": made,
            "after_preview": made,
            "result_format": "" if failed else "JPEG",
            "result_id": None if failed else pk + (10**12 if by_vendor else 0),
            "result_width": None if failed else width * factor,
            "result_height": None if failed else width * 5 // 4 * factor,
            "result_bytes": None if failed else width * width * factor,
        }


def _share_of_begins(in_batches: int) -> float:
    """How often a batch begins where none is at hand, so that ``in_batches`` of a hundred orders lie in batches."""
    mean = sum(size * weight for size, weight in zip(BATCH_SIZES, BATCH_WEIGHTS, strict=True)) / sum(BATCH_WEIGHTS)
    return in_batches / (in_batches + (100 - in_batches) * mean) if in_batches else 0.0


def _batch(crew: _Crew, person: int, model: upscaling_models.UpscalingModel, began: datetime, size: int) -> _Together:
    batch = Batch.objects.create(
        team=crew.team,
        created_by_id=person,
        name=f"Looks of {began:%d %B %Y}",
        created_at=began,
        ordered_at=began,
        ended_at=began + timedelta(hours=2),
        model_name=model.name,
        settings=model.defaults,
        total=size,
        credits=size * model.credits,
    )
    return _Together(crew, person, model, began, batch.pk, size)


def _moments(rng: random.Random, number: int, since: datetime, until: datetime) -> Iterator[datetime]:
    """As many moments in order: more each month, most on working days, in working hours."""
    days = [since + timedelta(days=place) for place in range(max((until - since).days, 0) + 1)]
    busy = [(0.5 + place / len(days)) * (0.15 if day.weekday() >= 5 else 1) for place, day in enumerate(days)]
    per_day = Counter(rng.choices(range(len(days)), busy, k=number))
    for place in sorted(per_day):
        midnight = datetime.combine(days[place], time(), tzinfo=days[place].tzinfo)
        hours = sorted(min(max(rng.gauss(13.5, 2.5), 0), 23.9) for _ in range(per_day[place]))
        yield from (max(since, min(midnight + timedelta(hours=hour), until)) for hour in hours)


def _give_out_fresh_ids() -> None:
    # The ids were ours to choose, so that entries could name them; PostgreSQL must hear where to go on.
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [Upscale]):
            cursor.execute(statement)


def _book(crew: _Crew, size: int) -> None:
    """The team's ledger: a charge for each upscale, a refund for each failed one, a grant whenever little is left."""
    ledger.book(_entries(crew, grant=max(1000, size // 10)))
    ledger.settle(crew.team, balance=crew.balance, spends=crew.spends)


def _entries(crew: _Crew, grant: int) -> Iterator[dict[str, Any]]:
    refunds: list[tuple[datetime, int, int]] = []

    def entry(kind: str, amount: int, at: datetime, upscale: int | None, person: int | None, note: str = "") -> Any:
        crew.balance += amount
        return {
            "team_id": crew.team.pk,
            "kind": kind,
            "amount": amount,
            "balance_after": crew.balance,
            "created_at": at,
            "upscale_id": upscale,
            "created_by_id": person,
            "note": note,
        }

    def refund() -> Any:
        at, pk, price = heapq.heappop(refunds)
        return entry("refund", price, at, pk, None, f"Upscale {pk} failed")

    rows = Upscale.objects.filter(team=crew.team).order_by("pk")
    fields = ("pk", "created_at", "completed_at", "status", "credits", "created_by_id")
    # All read before the first is written, because SQLite reads and writes through one connection.
    for pk, began, ended, status, price, person in list(rows.values_list(*fields)):
        while refunds and refunds[0][0] <= began:
            yield refund()
        if crew.balance < 50:
            yield entry("grant", grant, began, None, crew.people[0], f"Credits for {began:%B %Y}")
        yield entry("charge", -price, began, pk, person)
        if status == Upscale.Status.ERROR:
            heapq.heappush(refunds, (ended, pk, price))
        else:
            crew.spends[person, timezone.localdate(began).replace(day=1)] += price
    while refunds:
        yield refund()
