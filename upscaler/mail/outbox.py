"""Sending the e-mails about budgets and balances. The charge has written them down; a mail server may be away."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.core.mail import EmailMessage
from django.db.models import QuerySet
from django.utils import timezone

from upscaler.credits import thresholds
from upscaler.models import Membership, Notice, Team
from upscaler.queue import tasks

logger = logging.getLogger(__name__)

GRACE = timedelta(seconds=30)
"""How long a message has before the sweep takes it for lost."""
FIRST_WAIT = timedelta(minutes=1)
MAX_WAIT = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=7)
"""By then nobody is helped by it any more."""
BATCH = 100

SUBJECTS = {
    Notice.Kind.TEAM_BUDGET: "most of this month’s budget is used",
    Notice.Kind.PERSON_BUDGET: "most of a person’s budget of this month is used",
    Notice.Kind.LOW_BALANCE: "few credits are left",
}


def enqueue_due(*, team: Team) -> None:
    """After a charge: a message to the workers for each e-mail of the team that is due."""
    _enqueue(Notice.objects.filter(team=team, due_at__lte=timezone.now()), now=timezone.now())


def enqueue_overdue(now: datetime) -> None:
    """From the sweep: the same for those whose message was lost, or that could not be sent."""
    try:
        _enqueue(Notice.objects.filter(due_at__lte=now - GRACE), now=now)
    except Exception:
        logger.exception("messages about unsent e-mails could not be sent, tried again at the next sweep")


def _enqueue(notices: QuerySet[Notice], *, now: datetime) -> None:
    unsent = notices.filter(sent_at=None, created_at__gt=now - GIVEN_UP_AFTER).order_by("created_at")
    for pk in unsent.values_list("pk", flat=True)[:BATCH]:
        tasks.send_notice.enqueue(pk)


def send(notice_id: int) -> bool:
    """Send one e-mail unless it was sent, is being sent, or has to wait after a failure. Returns whether it went out.

    A failed attempt is followed by the next after a growing pause, by the sweep.
    """
    now = timezone.now()
    notice = Notice.objects.select_related("team").filter(pk=notice_id).first()
    if notice is None:
        return False
    # The pause grows with the time for which it has been tried.
    wait = min(max(FIRST_WAIT, now - notice.created_at), MAX_WAIT)
    if not Notice.objects.filter(pk=notice.pk, sent_at=None, due_at__lte=now).update(due_at=now + wait):
        return False  # Another worker has it, or had it.
    addresses = recipients(notice)
    if addresses:
        try:
            EmailMessage(subject=_subject(notice), body=notice.text, to=addresses).send()
        except Exception:
            # Whatever a mail server, or what lies on the way to it, can do.
            logger.exception("notice %s: the e-mail could not be sent, tried again later", notice.pk)
            return False
    else:
        logger.info("notice %s: nobody to tell has an e-mail address", notice.pk)
    Notice.objects.filter(pk=notice.pk).update(sent_at=timezone.now())
    return bool(addresses)


def recipients(notice: Notice) -> list[str]:
    """The addresses of the team's admins, or of the one person whose own budget it is."""
    people = Membership.objects.filter(team=notice.team_id, user__is_active=True).exclude(user__email="")
    person, is_own = thresholds.person_of(notice)
    # Who has the note to the person needs none about themself.
    admins = people.filter(role=Membership.Role.ADMIN).exclude(user=person)
    people = people.filter(user=person) if is_own else admins
    return list(people.order_by("user__username").values_list("user__email", flat=True))


def _subject(notice: Notice) -> str:
    # A line's end would be refused as a forged header.
    return " ".join(f"{notice.team.name}: {SUBJECTS[Notice.Kind(notice.kind)]}".split())
