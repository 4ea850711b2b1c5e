"""Passwords: whether one is a person's own, and links for a new one, for whoever forgot the old.

A request for a link only notes the address that was typed, in the same way for each, so that neither the answer nor
its time tells whether anybody has it. Whose it is, a worker finds out; the link is made while the e-mail leaves and is
stored nowhere.
"""

from __future__ import annotations

import unicodedata
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import EmailMessage
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from upscaler.mail import outbox
from upscaler.models import Email

PAUSE = timedelta(seconds=60)
"""Between two e-mails with links for a new password to one address."""
MAX_PER_HOUR = 5
"""Such e-mails to one address."""
WRONG = "This is not your password."


def count_for(user: Any) -> bool:
    """Whether the person has a password that opens something: with OIDC_ONLY those of staff alone do."""
    return bool(user.has_usable_password() and (user.is_staff or not settings.OIDC.only))


def is_own(request: HttpRequest, password: str) -> bool:
    """Whether the signed-in person typed their own password.

    A wrong one counts as a failed sign-in and may lock the name from this address, else whoever finds an open browser
    could guess without end; the middleware then puts the page about the lock in the place of any answer.
    """
    return authenticate(request, username=request.user.get_username(), password=password) is not None


def request_link(address: str, *, site: str) -> Email:
    """Note that somebody asked for a link; it will begin with ``site``. The accounts with this address get it."""
    return outbox.post(
        kind=Email.Kind.PASSWORD,
        # As Django compares addresses, so that another spelling is no way round the pause.
        about=unicodedata.normalize("NFKC", address).casefold()[:320],
        subject=render_to_string("registration/forgotten_subject.txt"),
        facts={"address": address, "site": site},
        expires_at=timezone.now() + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT),
    )


def write(email: Email) -> list[EmailMessage]:
    """The messages of one that was noted: none where no account has the address, or it had one a moment ago."""
    earlier = Email.objects.filter(team=None, kind=email.kind, about=email.about, pk__lt=email.pk)
    if earlier.filter(created_at__gt=email.created_at - PAUSE).exists():
        return []
    of_the_hour = earlier.filter(created_at__gt=email.created_at - timedelta(hours=1), sent_at__isnull=False)
    if of_the_hour.exclude(to=[]).count() >= MAX_PER_HOUR:
        return []
    messages = []
    # Django's own rules: active accounts that have a password, and the address as it is spelled there.
    for user in PasswordResetForm().get_users(email.facts["address"]):
        if not count_for(user):
            continue
        context = {
            "user": user,
            "site": email.facts["site"],
            "uid": urlsafe_base64_encode(force_bytes(user.pk)),
            "token": default_token_generator.make_token(user),
        }
        text = render_to_string("registration/forgotten_email.txt", context)
        messages.append(EmailMessage(subject=email.subject, body=text, to=[user.email]))
    return messages
