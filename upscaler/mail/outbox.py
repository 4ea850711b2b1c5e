"""The one way out for e-mails. They are written down in the transaction of what they tell, and sent after it.

A mail server may be away: an e-mail is tried again after growing pauses until it expires. Whoever posts one also wakes
a worker (`upscaler.queue.dispatch`), but need not: the sweep finds what is overdue.
"""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F, QuerySet
from django.utils import timezone

from upscaler.models import Email, Membership

logger = logging.getLogger(__name__)

GRACE = timedelta(seconds=30)
"""How long a message has before the sweep takes it for lost."""
FIRST_WAIT = timedelta(minutes=1)
MAX_WAIT = timedelta(hours=1)
LIFETIME = timedelta(days=7)
"""By then nobody is helped by it any more."""
BATCH = 100

Writer = Callable[[Email], Sequence[EmailMessage]]
"""Makes the messages of one kind of e-mail whose text is not stored; none where there is nobody to write to."""


def leaves_the_desk() -> bool:
    """Whether e-mails are sent to people; without ``EMAIL_URL`` they are printed on the workers' console."""
    return not settings.EMAIL_BACKEND.endswith(".console.EmailBackend")


def post(
    *,
    kind: str,
    subject: str,
    text: str = "",
    to: Iterable[str] = (),
    to_admins: bool = False,
    user: Any = None,
    team_id: int | None = None,
    about: str | None = None,
    facts: Mapping[str, str] | None = None,
    expires_at: datetime | None = None,
) -> Email:
    """Write an e-mail down, in the transaction of the deed itself, so that there is both or neither.

    It goes to ``to``, or to the people that `Email` says. It is given up at ``expires_at``, a week from now unless
    told. Raises IntegrityError where the team has one of this ``kind`` and ``about`` already.
    """
    now = timezone.now()
    return Email.objects.create(
        kind=kind,
        # A header is one line, whatever a team is called.
        subject=" ".join(subject.split()),
        text=text,
        to=list(to),
        to_admins=to_admins,
        user=user,
        team_id=team_id,
        about=about,
        facts=dict(facts or {}),
        created_at=now,
        due_at=now,
        expires_at=expires_at or now + LIFETIME,
    )


def was_posted(*, team_id: int, kind: str, about: str) -> bool:
    """Whether the team has an e-mail of this kind about this, sent or not."""
    return Email.objects.filter(team_id=team_id, kind=kind, about=about).exists()


def cancel(email: Email | None) -> None:
    """Don't send an e-mail that has not left yet, if there is one: what it says is no longer so."""
    if email is not None:
        # Expired from the beginning, and not from now: a worker's clock may be behind, and the text is gone.
        Email.objects.filter(pk=email.pk, sent_at=None).update(text="", expires_at=F("created_at"))


def due(*, team_id: int) -> list[int]:
    """The ids of the team's e-mails that may be sent now, the oldest first."""
    now = timezone.now()
    return _ids(Email.objects.filter(team_id=team_id, due_at__lte=now), now)


def overdue(now: datetime) -> list[int]:
    """The ids of e-mails whose message to a worker was lost, or that could not be sent; the oldest first."""
    return _ids(Email.objects.filter(due_at__lte=now - GRACE), now)


def _ids(emails: QuerySet[Email], now: datetime) -> list[int]:
    unsent = emails.filter(sent_at=None, expires_at__gt=now).order_by("created_at")
    return list(unsent.values_list("pk", flat=True)[:BATCH])


def forget_expired(now: datetime) -> None:
    """Blank the secrets in e-mails that are given up."""
    expired = Email.objects.filter(sent_at=None, expires_at__lte=now, kind__in=Email.SECRET_KINDS)
    expired.exclude(text="").update(text="")


def send(email_id: int, *, writers: Mapping[str, Writer]) -> bool:
    """Send one e-mail unless it was sent, is being sent, has expired, or has to wait after a failure.

    ``writers`` has who writes the texts that are not stored, by `Email.Kind`. Returns whether it went out. A failed
    attempt is followed by the next after a growing pause, by the sweep.
    """
    now = timezone.now()
    email = Email.objects.filter(pk=email_id).first()
    if email is None:
        return False
    # The pause grows with the time for which it has been tried.
    wait = min(max(FIRST_WAIT, now - email.created_at), MAX_WAIT)
    ready = Email.objects.filter(pk=email.pk, sent_at=None, due_at__lte=now, expires_at__gt=now)
    if not ready.update(due_at=now + wait):
        return False  # Another worker has it, or had it.
    writer = writers.get(email.kind)
    messages = writer(email) if writer is not None else _stored_message(email)
    if not messages and writer is not None:
        email.delete()
        return False
    try:
        for message in messages:
            message.send()
    except Exception as error:
        # Whatever a mail server, or what lies on the way to it, can do.
        logger.exception("e-mail %s: it could not be sent, tried again later", email.pk)
        Email.objects.filter(pk=email.pk).update(failure=reason(error))
        return False
    if not messages:
        logger.info("e-mail %s: nobody to tell has an e-mail address", email.pk)
    email.sent_at, email.failure = timezone.now(), ""
    email.to = [address for message in messages for address in message.to]
    if email.kind in Email.SECRET_KINDS:
        email.text = ""
    email.save(update_fields=["sent_at", "failure", "to", "text"])
    return bool(messages)


def _stored_message(email: Email) -> list[EmailMessage]:
    addresses = recipients(email)
    return [EmailMessage(subject=email.subject, body=email.text, to=addresses)] if addresses else []


def recipients(email: Email) -> list[str]:
    """The addresses that a stored text goes to if it leaves now."""
    if not email.to_admins and email.user_id is None:
        return list(email.to)
    people = Membership.objects.filter(team=email.team_id, user__is_active=True).exclude(user__email="")
    if email.to_admins:
        # Who has a note of their own needs none about themself.
        people = people.filter(role=Membership.Role.ADMIN).exclude(user=email.user_id)
    else:
        people = people.filter(user=email.user_id)
    return list(people.order_by("user__username").values_list("user__email", flat=True))


def reason(error: Exception) -> str:
    """Why an e-mail could not be sent, in a sentence for people; what the server said is in the log."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            return "The mail server refuses the address."
        case smtplib.SMTPSenderRefused():
            return "The mail server refuses the desk’s own address as the sender."
        case smtplib.SMTPAuthenticationError():
            return "The mail server refuses the desk’s name or password."
        case smtplib.SMTPServerDisconnected() | smtplib.SMTPConnectError():
            return "The mail server does not answer."
        case smtplib.SMTPException():
            return "The mail server refuses the e-mail."
        case OSError():
            return "The mail server does not answer."
        case _:
            return "Something went wrong on our side."
