"""Whose turn it is: which check a worker takes up next, and which check may ask a host.

Turns go round: first between the teams, then between the checks of a team, of which a few go on side by side. A check
that rests until a host may be asked again holds up none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, F, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from upscaler.feeds.records import LEASE, Hold
from upscaler.models import FeedCheck, FeedHost, FeedPicture

AT_WORK = 2
"""Checks that are worked on at the same time, over all teams: the same workers fetch the pictures of orders."""
TEAM_AT_ONCE = 3
"""Checks of a team that take turns; those that rest do not count."""
KEPT_FOR = timedelta(seconds=60)
"""So long a host is kept for the check that is next to ask it."""


def candidates() -> QuerySet[FeedCheck]:
    """Checks that may be worked on now, the one whose turn it is first."""
    now = timezone.now()
    open_ = FeedCheck.objects.filter(status__in=FeedCheck.OPEN, feed__removed_at=None)
    of_team = open_.filter(feed__team=OuterRef("feed__team")).order_by().values("feed__team")
    older = of_team.filter(Q(due_at__lte=now) | Q(lease_until__gte=now), pk__lt=OuterRef("pk"))
    at_work = of_team.filter(lease_until__gte=now)
    waiting = open_.filter(Q(lease_until=None) | Q(lease_until__lt=now), due_at__lte=now).annotate(
        before=Coalesce(Subquery(older.annotate(n=Count("pk")).values("n")), 0),
        team_at_work=Coalesce(Subquery(at_work.annotate(n=Count("pk")).values("n")), 0),
        team_worked_at=Subquery(of_team.annotate(n=Max("worked_at")).values("n")),
    )
    return waiting.filter(before__lt=TEAM_AT_ONCE).order_by(
        "team_at_work", F("team_worked_at").asc(nulls_first=True), F("worked_at").asc(nulls_first=True), "pk"
    )


def places() -> int:
    """How many more checks may be worked on now."""
    return max(0, AT_WORK - FeedCheck.objects.filter(lease_until__gte=timezone.now()).count())


def is_one_kept_waiting() -> bool:
    """Whether a check could be worked on if another one made room."""
    return not places() and candidates().exists()


def claim() -> Hold | None:
    """Take up the check whose turn it is; None where there is none, or enough are at work."""
    if not places():
        return None
    for check in candidates().select_related("feed__team")[:AT_WORK]:
        now = timezone.now()
        mine = FeedCheck.objects.filter(pk=check.pk, lease_until=check.lease_until, status=check.status)
        # Another worker may have been quicker.
        if mine.update(lease_until=now + LEASE, worked_at=now):
            check.lease_until = now + LEASE
            return Hold(check)
    return None


def resting(seconds: float) -> QuerySet[FeedHost]:
    """Hosts that may not be asked for longer than that."""
    return FeedHost.objects.filter(next_at__gt=timezone.now() + timedelta(seconds=seconds))


def waited_for(check: FeedCheck, seconds: float) -> QuerySet[FeedHost]:
    """Those of them that show pictures of the check which are not measured yet, the soonest free first."""
    waiting = check.rows.filter(status=FeedPicture.Status.WAITING).values("host")
    return resting(seconds).filter(name__in=waiting).order_by("next_at", "name")


def take_hosts(check: FeedCheck, names: Iterable[str]) -> dict[str, datetime | None]:
    """Those of the hosts that this check alone may ask until it releases them, and when each may be asked next.

    In the queue of the others it has a place from now on.
    """
    wanted = sorted(names)
    now = timezone.now()
    taken: dict[str, datetime | None] = {}
    with transaction.atomic():
        FeedHost.objects.bulk_create([FeedHost(name=name) for name in wanted], ignore_conflicts=True)
        # In the order of their names, so that two workers never wait for each other's.
        rows = FeedHost.objects.select_for_update(of=("self",)).select_related("check_of").order_by("name")
        hosts = list(rows.filter(name__in=wanted))
        for host in hosts:
            host.queue = _still_waiting(host, now)
            if _is_asked(host, check, now) or host.queue[:1] not in ([], [check.pk]):
                host.queue += [check.pk] if check.pk not in host.queue else []
            else:
                host.queue, host.check_of, host.kept_until = host.queue[1:], check, None
                taken[host.name] = host.next_at
        FeedHost.objects.bulk_update(hosts, ["queue", "check_of", "kept_until"])
    return taken


def wait_for_rested(check: FeedCheck, names: Iterable[str]) -> None:
    """Give the check a place in the queues of hosts that rest: who asked one last would be back first every time."""
    with transaction.atomic():
        rows = FeedHost.objects.select_for_update().filter(name__in=list(names)).order_by("name")
        waited_for = [host for host in rows if check.pk not in host.queue]
        for host in waited_for:
            host.queue.append(check.pk)
        FeedHost.objects.bulk_update(waited_for, ["queue"])


def release_hosts(check: FeedCheck, next_at: Mapping[str, datetime]) -> None:
    """Let others ask these hosts, each from its moment on; whoever is next in its queue is woken for it."""
    now = timezone.now()
    with transaction.atomic():
        rows = FeedHost.objects.select_for_update(of=("self",)).order_by("name")
        for host in rows.filter(name__in=list(next_at), check_of=check):
            host.check_of, host.next_at = None, next_at[host.name]
            due_at = max(now, host.next_at)
            if not host.queue and host.next_at <= now:
                host.delete()
                continue
            host.kept_until = due_at + KEPT_FOR
            host.save(update_fields=["check_of", "next_at", "kept_until"])
            if host.queue:
                resting = FeedCheck.objects.filter(pk=host.queue[0], status__in=FeedCheck.OPEN, due_at__gt=due_at)
                resting.update(due_at=due_at)


def forget_hosts() -> None:
    """Delete the rows of hosts that a killed worker left, and whose pause is over."""
    now = timezone.now()
    FeedHost.objects.filter(
        Q(next_at=None) | Q(next_at__lt=now),
        Q(kept_until=None) | Q(kept_until__lt=now),
        Q(check_of=None) | Q(check_of__lease_until=None) | Q(check_of__lease_until__lt=now),
    ).delete()


def _is_asked(host: FeedHost, by_other_than: FeedCheck, now: datetime) -> bool:
    """Whether another check asks it, whose worker lives."""
    at_it = host.check_of
    if at_it is None or at_it.pk == by_other_than.pk:
        return False
    return at_it.lease_until is not None and at_it.lease_until >= now


def _still_waiting(host: FeedHost, now: datetime) -> list[int]:
    """The queue without checks that have ended, and without a first one that did not come in time."""
    waiting = list(host.queue)
    if waiting and host.kept_until is not None and host.kept_until < now:
        waiting.pop(0)
    if waiting:
        still = set(FeedCheck.objects.filter(pk__in=waiting, status__in=FeedCheck.OPEN).values_list("pk", flat=True))
        waiting = [pk for pk in waiting if pk in still]
    return waiting
