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

from upscaler import catalog, credits, usage
from upscaler.models import CreditEntry, Membership, Team, Upscale, media_storage

BATCH = 5000
ERROR_SHARE = 0.05
ERRORS = (
    ("uwear_failed", "Uwear could not enlarge this picture. Try another model or another picture."),
    ("too_slow", "This picture took longer than the limit of 25 minutes. Try a smaller enlargement."),
    ("damaged", "The picture is damaged or incomplete. Save it anew from the program it came from."),
    ("too_many_pixels", "The result would have 310 megapixels; the limit is 256. Choose a smaller enlargement."),
    ("gave_up", "The work on this picture stopped 4 times before it could end, so we gave up."),
    ("fetch_status", "The address answered 404. Open it in a browser and copy it again."),
)
NAMES = ("coat", "shirt", "dress", "boot", "scarf", "denim-jacket", "knit", "look", "bag", "trouser")
FIRST_NAMES = ("Ada", "Bo", "Chloé", "Dara", "Emil", "Fatou", "Goran", "Hana", "Ines", "Jun", "Kim", "Lea")


@dataclass
class _Crew:
    """A team while its history is made."""

    team: Team
    people: list[Any]
    balance: int = 0
    spends: Counter[tuple[Any, date]] = field(default_factory=Counter)


def make(*, upscales: int, teams: int, months: int, people: int, seed: int = 1) -> list[Team]:
    """Make new teams with ``people`` each and a history of ``upscales`` ended orders over the last ``months``.

    About one in twenty failed and was refunded. The teams are of different sizes, and what there was before stays as
    it is. Files of the rows are all one small picture.
    """
    rng = random.Random(seed)
    picture = _store_picture()
    crews = [_crew(number, people) for number in range(1, teams + 1)]
    first = (Upscale.objects.aggregate(last=models.Max("pk"))["last"] or 0) + 1
    orders = _orders(rng, crews, first=first, upscales=upscales, months=months, picture=picture)
    for batch in _batches(orders, BATCH):
        with transaction.atomic():
            Upscale.objects.bulk_create(batch)
    _give_out_fresh_ids()
    for crew in crews:
        _book(crew, size=upscales // teams)
        usage.rebuild(crew.team)
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
        found = list(get_user_model().objects.filter(username__in=[user.username for user in users]).order_by("pk"))
        Membership.objects.bulk_create(
            Membership(team=team, user=user, role=Membership.Role.MERCHANDISER if place else Membership.Role.ADMIN)
            for place, user in enumerate(found)
        )
    return _Crew(team=team, people=found)


def _orders(
    rng: random.Random, crews: list[_Crew], *, first: int, upscales: int, months: int, picture: str
) -> Iterator[Upscale]:
    """Ended orders, the earliest first, with ids from ``first`` on. None ends in the future."""
    team_weights = [len(crews) + 1 - place for place in range(len(crews))]
    people_weights = [1 / (1 + place) for place in range(len(crews[0].people))]
    topaz_settings = catalog.MODELS[catalog.TOPAZ].defaults
    until = timezone.now() - timedelta(hours=2)
    for pk, began in enumerate(_moments(rng, upscales, until - timedelta(days=30.4 * months), until), first):
        crew = rng.choices(crews, team_weights)[0]
        model = catalog.TOPAZ if rng.random() < 0.3 else catalog.RECRAFT
        engine = Upscale.Engine.UWEAR if rng.random() < 0.15 else Upscale.Engine.LOCAL
        median = (30 if model == catalog.TOPAZ else 7) * (2 if engine == Upscale.Engine.UWEAR else 1)
        ended = began + timedelta(seconds=min(median * math.exp(rng.gauss(0, 0.7)), 7000))
        width = rng.choice((640, 800, 1000, 1200))
        row = Upscale(
            pk=pk,
            team=crew.team,
            created_by=rng.choices(crew.people, people_weights)[0],
            created_at=began,
            started_at=began,
            completed_at=ended,
            due_at=began,
            source=Upscale.Source.UPLOAD,
            source_name=f"{rng.choice(NAMES)}-{pk % 10_000:04}.jpg",
            source_file=picture,
            source_thumbnail=picture,
            source_width=width,
            source_height=width * 5 // 4,
            source_bytes=width * 300,
            model_name=model,
            settings=topaz_settings if model == catalog.TOPAZ else {},
            credits=catalog.MODELS[model].credits,
            engine=engine,
            attempt=1,
            order_digest=f"{pk:064x}",
        )
        if rng.random() < ERROR_SHARE:
            row.status = Upscale.Status.ERROR
            row.error_code, row.error_message = rng.choices(ERRORS, (9, 5, 4, 3, 2, 1))[0]
        else:
            row.status, row.progress = Upscale.Status.DONE, 1.0
            row.result_file = row.result_thumbnail = row.before_preview = row.after_preview = picture
            row.result_format, row.result_id = "JPEG", pk + (10**12 if engine == Upscale.Engine.UWEAR else 0)
            row.result_width, row.result_height = width * row.factor, width * 5 // 4 * row.factor
            row.result_bytes = row.result_width * row.result_height // 5
        yield row


def _moments(rng: random.Random, number: int, since: datetime, until: datetime) -> Iterator[datetime]:
    """As many moments in order: more each month, most on working days, in working hours."""
    days = [since + timedelta(days=place) for place in range(max((until - since).days, 0) + 1)]
    busy = [(0.5 + place / len(days)) * (0.15 if day.weekday() >= 5 else 1) for place, day in enumerate(days)]
    per_day = Counter(rng.choices(range(len(days)), busy, k=number))
    for place in sorted(per_day):
        midnight = datetime.combine(days[place], time(), tzinfo=days[place].tzinfo)
        hours = sorted(min(max(rng.gauss(13.5, 2.5), 0), 23.9) for _ in range(per_day[place]))
        yield from (max(since, min(midnight + timedelta(hours=hour), until)) for hour in hours)


def _batches(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _give_out_fresh_ids() -> None:
    # The ids were ours to choose, so that entries could name them; PostgreSQL must hear where to go on.
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [Upscale]):
            cursor.execute(statement)


def _book(crew: _Crew, size: int) -> None:
    """The team's ledger: a charge for each upscale, a refund for each failed one, and a grant whenever little is left."""
    last = None
    for batch in _batches(_entries(crew, grant=max(1000, size // 10)), BATCH):
        credits.append_made_up(batch)
        last = batch[-1]
    if last is not None:
        credits.settle_made_up(crew.team, balance=last.balance_after, spends=crew.spends)


def _entries(crew: _Crew, grant: int) -> Iterator[CreditEntry]:
    Kind = CreditEntry.Kind
    refunds: list[tuple[datetime, int, int]] = []
    admin = crew.people[0]
    people = {person.pk: person for person in crew.people}

    def entry(kind: str, amount: int, at: datetime, **more: Any) -> CreditEntry:
        crew.balance += amount
        return CreditEntry(
            team=crew.team, kind=kind, amount=amount, balance_after=crew.balance, created_at=at, **more
        )

    def refund() -> CreditEntry:
        at, pk, price = heapq.heappop(refunds)
        return entry(Kind.REFUND, price, at, upscale_id=pk, note=f"Upscale {pk} failed")

    rows = Upscale.objects.filter(team=crew.team).order_by("pk")
    fields = ("pk", "created_at", "completed_at", "status", "credits", "created_by_id")
    for pk, began, ended, status, price, person in rows.values_list(*fields).iterator(BATCH):
        while refunds and refunds[0][0] <= began:
            yield refund()
        if crew.balance < 50:
            yield entry(Kind.GRANT, grant, began, note=f"Credits for {began:%B %Y}", created_by=admin)
        yield entry(Kind.CHARGE, -price, began, upscale_id=pk, created_by=people[person])
        month = timezone.localdate(began).replace(day=1)
        if status == Upscale.Status.ERROR:
            heapq.heappush(refunds, (ended, pk, price))
        else:
            crew.spends[people[person], month] += price
    while refunds:
        yield refund()
