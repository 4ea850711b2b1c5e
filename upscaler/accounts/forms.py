"""The forms about people: inviting somebody, making an account by an invitation, asking for a new password."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import PasswordResetForm, UserCreationForm
from django.utils.crypto import salted_hmac

from upscaler.accounts import rate_limit
from upscaler.models import Membership

User: Any = get_user_model()
PAUSE_SECONDS = 60
"""Between two e-mails with links for a new password of one account, as far as the cache knows of both."""
outgoing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mail")


class InviteForm(forms.Form):
    """Whom to invite, and as what."""

    email = forms.EmailField(
        label="E-mail",
        error_messages={
            "required": "Please give the e-mail address of the person to invite.",
            "invalid": "This is not an e-mail address. It looks like anna@example.com.",
        },
    )
    role = forms.ChoiceField(
        choices=Membership.Role.choices, error_messages={"invalid_choice": "Choose Merchandiser or Admin."}
    )


class AccountForm(UserCreationForm):
    """A new account for the e-mail address that was invited."""

    class Meta:
        model = User
        fields = ("username", "first_name")
        labels = {"first_name": "Full name"}

    def __init__(self, *args: Any, email: str, **options: Any) -> None:
        # In the instance already, so that a password that is like it is refused.
        super().__init__(*args, instance=User(email=email), **options)

    @staticmethod
    def exists_for(email: str) -> bool:
        """Whether somebody has an account with this address, who should sign in instead."""
        return bool(User.objects.filter(email__iexact=email, is_active=True).exists())


class ForgottenForm(PasswordResetForm):
    """Django's own, except that the e-mail leaves beside the request.

    The time that a mail server takes would tell whether the address belongs to anybody.
    """

    email = forms.EmailField(
        max_length=254,
        error_messages={
            "required": "Please give the e-mail address of your account.",
            "invalid": "This is not an e-mail address. It looks like anna@example.com.",
        },
    )

    def send_mail(self, *args: Any, **options: Any) -> None:
        # The pause, too: a cache that is away takes a second to say so.
        outgoing.submit(self._send_unless_just_sent, *args, **options)

    def _send_unless_just_sent(self, *args: Any, **options: Any) -> None:
        context: dict[str, Any] = options.get("context") or args[2]
        # Not by the account's number: two desks may share one cache.
        account = salted_hmac("upscaler.new-password", str(context["user"].pk)).hexdigest()
        if rate_limit.count(f"new-password-{account}", seconds=PAUSE_SECONDS) <= 1:
            super().send_mail(*args, **options)
