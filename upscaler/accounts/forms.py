"""The forms about people: inviting somebody, making an account by an invitation, asking for a new password."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import UserCreationForm

from upscaler.models import Membership

User: Any = get_user_model()


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


class ForgottenForm(forms.Form):
    """Whose password to replace."""

    email = forms.EmailField(
        max_length=254,
        error_messages={
            "required": "Please give the e-mail address of your account.",
            "invalid": "This is not an e-mail address. It looks like anna@example.com.",
        },
    )
