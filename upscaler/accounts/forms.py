"""The forms about people: inviting somebody, making an account by an invitation, passwords, the second factor."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, SetPasswordForm, UserCreationForm
from django.http import HttpRequest

from upscaler.accounts import passwords
from upscaler.accounts.oidc import sign_out
from upscaler.models import Membership

User: Any = get_user_model()


class SignInForm(AuthenticationForm):
    """User name and password, where those sign in."""

    def confirm_login_allowed(self, user: Any) -> None:
        super().confirm_login_allowed(user)
        if not passwords.count_for(user):
            raise forms.ValidationError(
                f"On this desk only staff sign in with a password. Sign in with {settings.OIDC.name} instead.",
                code="oidc_only",
            )


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


class TeamForm(forms.Form):
    """A team that somebody makes who runs the desk."""

    name = forms.CharField(max_length=100, error_messages={"required": "Please give the team a name."})
    credits = forms.IntegerField(
        min_value=1,
        max_value=1_000_000,
        initial=100,
        error_messages={
            "required": "Please say with how many credits the team begins, like 100.",
            "invalid": "Credits are a whole number, like 100.",
            "min_value": "A team begins with 1 credit or more.",
            "max_value": "A team begins with 1,000,000 credits at most. Grant the others on its Credits page.",
        },
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


class NewPasswordForm(SetPasswordForm):
    """A new password, and whether programs lose their tokens with the old one.

    Not by itself: most people forgot a password, and then what runs at night should go on.
    """

    revoke_tokens = forms.BooleanField(required=False)


class OwnPasswordForm(PasswordChangeForm):
    """The same for a person who is signed in; wrong guesses at the password of now count as failed sign-ins."""

    revoke_tokens = forms.BooleanField(required=False)

    def __init__(self, user: Any, *args: Any, request: HttpRequest, **options: Any) -> None:
        self.request = request
        super().__init__(user, *args, **options)

    def clean_old_password(self) -> str:
        password: str = self.cleaned_data["old_password"]
        if not passwords.is_own(self.request, password):
            raise forms.ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        return password


class ConfirmForm(forms.Form):
    """What is asked again before something about the account changes: the password, where it is right."""

    password = forms.CharField(
        strip=False, error_messages={"required": "Please give your password, so that nobody else can do this."}
    )

    def __init__(self, *args: Any, request: HttpRequest | None = None, **options: Any) -> None:
        self.request = request
        super().__init__(*args, **options)
        self.has_password = request is None or passwords.count_for(request.user)
        if not self.has_password:
            self.fields["password"].required = False

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        # The last, so that what is wrong beside it costs nobody a try.
        if self.request is None or self.errors:
            return cleaned
        if not self.has_password:
            # Who has no password has the company's account to show instead.
            if not sign_out.is_fresh(self.request):
                self.add_error(
                    "password", f"Sign in with {settings.OIDC.name} again, then send the form within 10 minutes."
                )
        elif not passwords.is_own(self.request, cleaned["password"]):
            self.add_error("password", passwords.WRONG)
        return cleaned


class CodeForm(forms.Form):
    """A code of the app, or a recovery code."""

    code = forms.CharField(
        max_length=40,
        error_messages={
            "required": "Please give the code.",
            "max_length": "A code is shorter: six digits, or ten letters and digits.",
        },
    )


class ConfirmWithCodeForm(CodeForm, ConfirmForm):
    """Both."""
