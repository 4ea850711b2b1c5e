"""The Credits page's forms: grants and corrections, budgets, and what part of the ledger is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from upscaler.accounts.audit_log import name_of
from upscaler.form_fields import WholeNumberField
from upscaler.models import Membership, Team

MAX_AMOUNT = 1_000_000
"""Credits in one grant of a team's admin, and in a budget: a slip of the finger stays small."""

WHOLE = "Enter a whole number, like 50."
TOO_MANY = f"Enter at most {MAX_AMOUNT:,}."


class GrantForm(forms.Form):
    """Credits to add, or with a minus to take away, and why."""

    amount = WholeNumberField(
        label="Credits",
        help_text="With a minus to correct downwards.",
        min_value=-MAX_AMOUNT,
        max_value=MAX_AMOUNT,
        error_messages={
            "required": WHOLE,
            "invalid": WHOLE,
            "max_value": TOO_MANY,
            "min_value": f"Take at most {MAX_AMOUNT:,} at once.",
        },
        widget=forms.NumberInput(attrs={"inputmode": "text", "step": "1", "autocomplete": "off"}),
    )
    note = forms.CharField(
        label="Why",
        help_text="It stays in the ledger, for everybody to read.",
        max_length=200,
        error_messages={
            "required": "Say why: the note stays in the ledger.",
            "max_length": "Keep it to %(limit_value)d characters.",
        },
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean_amount(self) -> int:
        """Nothing at all is no grant."""
        amount: int = self.cleaned_data["amount"]
        if amount == 0:
            raise forms.ValidationError("Enter how many credits to add or to take away; 0 does neither.")
        return amount


class BudgetsForm(forms.Form):
    """A team's monthly budget, the balance under which its admins are told, and a budget for each person.

    Each field remembers what it showed, so what another admin has changed in the meantime is not changed back.
    """

    def __init__(self, team: Team, members: list[Membership], data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, prefix="budget")
        self.team = team
        self.members = members
        self.fields["monthly_budget"] = _number("Team, each month", team.monthly_budget)
        self.fields["low_balance"] = _number("E-mail below this balance", team.low_balance, required=True)
        for membership in members:
            # Whose it is, only screen readers need to be told: others see the row.
            label = f"Monthly budget of {name_of(membership.user)}"
            self.fields[f"person-{membership.user_id}"] = _number(label, membership.monthly_budget)

    def person(self, membership: Membership) -> forms.BoundField:
        """The field of one person's budget."""
        return self[f"person-{membership.user_id}"]

    @property
    def team_changes(self) -> dict[str, int | None]:
        """The team's own values that were changed in the form."""
        return {
            name: self.cleaned_data[name] for name in ("monthly_budget", "low_balance") if name in self.changed_data
        }

    @property
    def people_changes(self) -> dict[int, int | None]:
        """Changed budgets by the person's id."""
        names = {f"person-{membership.user_id}": membership.user_id for membership in self.members}
        return {names[name]: self.cleaned_data[name] for name in self.changed_data if name in names}


def _number(label: str, initial: int | None, *, required: bool = False) -> WholeNumberField:
    placeholder = "" if required else "No limit"
    return WholeNumberField(
        label=label,
        initial=initial,
        required=required,
        min_value=0,
        max_value=MAX_AMOUNT,
        show_hidden_initial=True,
        error_messages={
            "required": "Enter a whole number; 0 for no e-mail.",
            "invalid": "Enter a whole number, or nothing for no limit." if not required else WHOLE,
            "min_value": "Enter 0 or more.",
            "max_value": TOO_MANY,
        },
        widget=forms.NumberInput(attrs={"step": "1", "autocomplete": "off", "placeholder": placeholder}),
    )
