"""Roles that were lost between the page's question and the deed."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.conftest import Person
from upscaler import credits
from upscaler.credits.forms import BudgetsForm, GrantForm
from upscaler.errors import PublicError
from upscaler.models import AuditEvent, Membership


def test_whoever_lost_the_role_in_the_meantime_grants_nothing(
    head: Person, owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The page has asked for the role before; the transaction asks again.
    with pytest.raises(PublicError, match="not an admin of this team any more"):
        credits.grant(team=owner.team, amount=50, note="for me", by=owner.user)
    with pytest.raises(PublicError, match="not an admin of this team any more"):
        credits.change_budgets(team=owner.team, by=owner.user, people={}, monthly_budget=None, low_balance=3)

    def demoted(form: Any) -> bool:
        Membership.objects.filter(user=head.user).update(role="merchandiser")
        return True

    budgets = {"budget-low_balance": "7", "initial-budget-low_balance": "20"}
    forms = (("/ledger/grant/", GrantForm, {"amount": "50", "note": "x"}), ("/ledger/budgets/", BudgetsForm, budgets))
    for path, form, data in forms:
        Membership.objects.filter(user=head.user).update(role="admin")
        sent = {**data, "request_key": str(uuid.uuid4())}
        with monkeypatch.context() as patched:
            valid = form.is_valid
            patched.setattr(form, "is_valid", lambda self, valid=valid: demoted(self) and valid(self))
            answer = head.client.post(path, sent, follow=True)
        assert "You are not an admin of this team any more, so nothing was changed." in answer.content.decode(), path
    assert (head.balance, head.team.low_balance) == (100, 20)
    assert not AuditEvent.objects.filter(action__in=("granted", "budget_changed"), user=head.user).exists()
